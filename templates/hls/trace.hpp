// trace: C simulation sees every write of the lanes; nothing of it is synthesised.
#pragma once

#include "sizes.hpp"

#ifndef __SYNTHESIS__
namespace hwgen {
namespace trace {

void feature_write(bool mem, unsigned address, const Bits& mask, const Feature word[LANES]);
void bit_write(unsigned address, const Bits& bits);
void require(bool good, const char* rule);

} // namespace trace
} // namespace hwgen
#define HWGEN_TRACE(call) hwgen::trace::call
#else
#define HWGEN_TRACE(call) static_cast<void>(0)
#endif
