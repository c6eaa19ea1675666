# SPDX-License-Identifier: Apache-2.0
"""A small simulated SQL Server: enough of TDS for a driver to use Always Encrypted with it.

It listens on 127.0.0.1, accepts any login, and serves the tables of a scenario (database.py). The
login is encrypted (TLS inside PRELOGIN packets), later messages are not: the driver loads its
cryptography only for a TLS login, and without it fails at the first encrypted cell."""

from __future__ import annotations

import argparse
import json
import logging
import socket
import socketserver
import ssl
import struct
import sys
import threading
from pathlib import Path
from typing import Any

import tokens
from database import Database
from procedures import Session
from wire import Reader, WireError

PRELOGIN, LOGIN7, SQLBATCH, RPC, REPLY, ATTENTION = 0x12, 0x10, 0x01, 0x03, 0x04, 0x06
_ENCRYPT_OFF = b"\0"
_FEATURE_ALWAYS_ENCRYPTED = 4
_PACKET_SIZE = 4096
_HEADER = struct.Struct(">BBHHBB")

log = logging.getLogger("tds")


class Closed(Exception):
    """The client ended the connection."""


class Transport:
    """Messages over a socket: TDS packets, during the login inside TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._buffer = bytearray()

    def _receive(self) -> bytes:
        data = self._sock.recv(65536)
        if not data:
            raise Closed
        return data

    def _packet(self) -> tuple[int, int, bytes]:
        while len(self._buffer) < _HEADER.size or len(self._buffer) < self._length():
            self._buffer += self._receive()
        kind, status, length = _HEADER.unpack_from(self._buffer)[:3]
        body = bytes(self._buffer[_HEADER.size : length])
        del self._buffer[:length]
        return kind, status, body

    def _length(self) -> int:
        return _HEADER.unpack_from(self._buffer)[2]

    def read(self) -> tuple[int, bytes]:
        """One message: its type and its packets' content."""
        message = b""
        status = 0
        while not status & 1:
            kind, status, body = self._packet()
            message += body
        return kind, message

    def write(self, kind: int, message: bytes) -> None:
        room = _PACKET_SIZE - _HEADER.size
        parts = [message[at : at + room] for at in range(0, len(message), room)]
        for number, part in enumerate(parts, 1):
            last = number == len(parts)
            header = _HEADER.pack(kind, last, len(part) + _HEADER.size, 0, number % 256, 0)
            self._sock.sendall(header + part)

    def read_login_over_tls(self, context: ssl.SSLContext) -> tuple[int, bytes]:
        """The TLS handshake inside PRELOGIN packets, then one message inside TLS."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self._flush(outgoing)
                incoming.write(self.read()[1])
        self._flush(outgoing)
        incoming.write(bytes(self._buffer))
        self._buffer.clear()
        return self._read_decrypted(tls, incoming)

    def _flush(self, outgoing: ssl.MemoryBIO) -> None:
        if outgoing.pending:
            self.write(PRELOGIN, outgoing.read())

    def _read_decrypted(self, tls: ssl.SSLObject, incoming: ssl.MemoryBIO) -> tuple[int, bytes]:
        clear = Transport(self._sock)

        def receive() -> bytes:
            while True:
                try:
                    return tls.read(65536)
                except ssl.SSLWantReadError:
                    incoming.write(self._receive())

        clear._receive = receive  # type: ignore[method-assign]
        return clear.read()


def _prelogin_reply() -> bytes:
    version = bytes.fromhex("100003e80000")
    options = [(0, version), (1, _ENCRYPT_OFF), (2, b"\0"), (3, b""), (4, b"\0")]
    at = 5 * len(options) + 1
    table, data = b"", b""
    for token, value in options:
        table += struct.pack(">BHH", token, at + len(data), len(value))
        data += value
    return table + b"\xff" + data


def requested_encryption(login: bytes) -> int:
    """The version of Always Encrypted that a LOGIN7 message requests, 0 for none."""
    has_extension = login[27] & 0x10
    if not has_extension:
        return 0
    (pointer,) = struct.unpack_from("<H", login, 56)
    (start,) = struct.unpack_from("<I", login, pointer)
    reader = Reader(login)
    reader.at = start
    while (feature := reader.u8()) != 0xFF:
        data = reader.take(reader.u32())
        if feature == _FEATURE_ALWAYS_ENCRYPTED:
            return data[0]
    return 0


class Handler(socketserver.BaseRequestHandler):
    """One connection."""

    server: TdsServer

    def handle(self) -> None:
        transport = Transport(self.request)
        try:
            session = self._login(transport)
            while True:
                kind, message = transport.read()
                transport.write(REPLY, self._answer(session, kind, message))
        except (Closed, ConnectionError):
            return
        except (WireError, ssl.SSLError) as error:
            log.error("connection ended: %s", error)

    def _login(self, transport: Transport) -> Session:
        kind, _ = transport.read()
        if kind != PRELOGIN:
            raise WireError(f"message 0x{kind:02x} instead of PRELOGIN")
        transport.write(REPLY, _prelogin_reply())
        kind, message = transport.read_login_over_tls(self.server.tls)
        if kind != LOGIN7:
            raise WireError(f"message 0x{kind:02x} instead of LOGIN7")
        version = min(requested_encryption(message), self.server.encryption_version)
        transport.write(REPLY, tokens.login_reply("standin", _PACKET_SIZE, version))
        return Session(self.server.database, version)

    @staticmethod
    def _answer(session: Session, kind: int, message: bytes) -> bytes:
        log.debug("message 0x%02x %s", kind, message.hex())
        if kind == SQLBATCH:
            return session.batch(message)
        if kind == RPC:
            return session.procedure_call(message)
        if kind == ATTENTION:
            return tokens.done(0x20)
        raise WireError(f"message 0x{kind:02x} is not known")


class TdsServer(socketserver.ThreadingTCPServer):
    """The server on a free port of 127.0.0.1, with one thread for each connection."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, scenario: dict[str, Any], certificate: Path) -> None:
        self.database = Database(scenario)
        self.encryption_version: int = scenario.get("encryption_version", 1)
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.tls.maximum_version = ssl.TLSVersion.TLSv1_2
        self.tls.load_cert_chain(certificate)
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def port(self) -> int:
        return self.server_address[1]

    def __enter__(self) -> TdsServer:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


def main() -> int:
    parser = argparse.ArgumentParser(description="Serves a scenario until standard input ends.")
    parser.add_argument("scenario", type=Path)
    parser.add_argument("certificate", type=Path, help="PEM file: the certificate and its key")
    parser.add_argument("--debug", action="store_true", help="log every message")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.DEBUG if arguments.debug else logging.ERROR)
    with TdsServer(json.loads(arguments.scenario.read_text()), arguments.certificate) as server:
        print(server.port, flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
