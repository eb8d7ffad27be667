// hwgen_top: the top function of the engine for Vitis HLS.
#pragma once

#include "sizes.hpp"

constexpr unsigned HWGEN_GOOD = 0;
constexpr unsigned HWGEN_CRC = 3;    // a record of the weight image is damaged
constexpr unsigned HWGEN_OPCODE = 4; // an instruction that does not exist
constexpr unsigned HWGEN_NO_END = 5; // the program ends without END

// Executes one frame: `lines` lines of 128 bits at `program`, up to four an instruction, records of
// `weights` (parameters and constant tensors), the uint8 `image` (H x W x 3, row-major), features
// of 16 bits into `result`. All four are AXI4 masters of AXI_BITS, their bases and the count
// AXI4-Lite registers. Returns a code above; the numbers are the RTL's.
unsigned hwgen_top(const hwgen::Beat* program, const hwgen::Beat* weights,
                   const hwgen::Beat* image, hwgen::Beat* result, unsigned lines);
