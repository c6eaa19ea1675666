# SPDX-License-Identifier: Apache-2.0
p11ekm_unit(pad tok)
p11ekm_unit(health tok)
p11ekm_unit(pin tok)
p11ekm_unit(module_known tok)
