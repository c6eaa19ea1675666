# SPDX-License-Identifier: Apache-2.0
p11ekm_unit(pad SOURCES test_pad.c LIBS p11ekm_tok)
p11ekm_unit(health SOURCES test_health.c LIBS p11ekm_tok)
p11ekm_unit(pin SOURCES test_pin.c LIBS p11ekm_tok)
p11ekm_unit(module_known SOURCES test_module_known.c LIBS p11ekm_tok)
