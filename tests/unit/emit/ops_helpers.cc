// The random operators of tests/unit/ops, for this program too.
#include "unit/ops/helpers.cc"
