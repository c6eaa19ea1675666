#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The memory token, for tests: a module of the build tree. Its objects exist only in the process
# that loads it; a forked child has a copy.
#
#   setup-memory.sh start DIR    prints MODULE, TOKEN, PIN, INIT_ARGS
#   setup-memory.sh stop DIR
#
# P11EKM_BINARY_DIR is the build tree (default: build/release of this source tree). Exit status 77
# with "SKIPPED: reason" if the module is not built.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=${P11EKM_BINARY_DIR:-$here/../../build/release}

case $1 in
start)
    module=$build/lib/libp11memory.so
    if [ ! -f "$module" ]; then
        echo "SKIPPED: $module is not built" >&2
        exit 77
    fi
    echo "export MODULE='$module' TOKEN=memory PIN=1234 INIT_ARGS="
    echo "export P11MEMORY_LABEL=memory P11MEMORY_PIN=1234"
    ;;
stop) ;;
esac
