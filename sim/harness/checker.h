// Compares every write of the lanes with the golden model's list, in program order.
//
// expected_dst: records {u8 mem, u8 mask, u16 addr, LANES x int16}; only lanes whose group is in
// the mask (8 groups of LANES / 8 lanes) are compared.
// expected_bit: records {u16 addr, LANES bits}.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "ddr.h"

namespace hwgen {

struct Mismatch {
    bool found = false;
    std::string stream, field;
    uint64_t index = 0;
    unsigned addr = 0;
    int lane = -1;
    long got = 0, expected = 0;
};

template <unsigned LANES, unsigned ACT_BITS>
class Checker {
  public:
    static constexpr size_t DST_RECORD = 4 + 2 * LANES;
    static constexpr size_t BIT_RECORD = 2 + LANES / 8;

    // An empty path or "-": that stream is counted, not compared.
    Checker(const std::string& dst, const std::string& bit) {
        load(dst, DST_RECORD, dst_, check_dst_);
        load(bit, BIT_RECORD, bit_, check_bit_);
    }

    void dst(unsigned mem, unsigned addr, unsigned mask, const uint32_t* word) {
        const uint64_t index = dst_count_++;
        if (!check_dst_) return;
        if ((index + 1) * DST_RECORD > dst_.size())
            return fail("dst", "extra write", index, addr, -1, addr, -1);
        const uint8_t* want = dst_.data() + index * DST_RECORD;
        uint16_t want_addr;
        std::memcpy(&want_addr, want + 2, 2);
        if (mem != want[0]) return fail("dst", "mem", index, addr, -1, mem, want[0]);
        if (addr != want_addr) return fail("dst", "addr", index, addr, -1, addr, want_addr);
        if (mask != want[1]) return fail("dst", "mask", index, addr, -1, mask, want[1]);
        if (ACT_BITS == 16 && mask == 0xFF && std::memcmp(want + 4, word, 2 * LANES) == 0) return;
        for (unsigned lane = 0; lane < LANES; ++lane) {
            if (!(mask >> (lane / (LANES / 8)) & 1)) continue;
            int16_t expected;
            std::memcpy(&expected, want + 4 + 2 * lane, 2);
            const int got = field(word, lane);
            if (got != expected) return fail("dst", "value", index, addr, lane, got, expected);
        }
    }

    void bit(unsigned addr, const void* word) {
        const uint64_t index = bit_count_++;
        if (!check_bit_) return;
        if ((index + 1) * BIT_RECORD > bit_.size())
            return fail("bit", "extra write", index, addr, -1, addr, -1);
        const uint8_t* want = bit_.data() + index * BIT_RECORD;
        uint16_t want_addr;
        std::memcpy(&want_addr, want, 2);
        if (addr != want_addr) return fail("bit", "addr", index, addr, -1, addr, want_addr);
        const uint8_t* got = static_cast<const uint8_t*>(word);
        for (unsigned lane = 0; lane < LANES; ++lane) {
            const int g = got[lane / 8] >> (lane % 8) & 1;
            const int e = want[2 + lane / 8] >> (lane % 8) & 1;
            if (g != e) return fail("bit", "value", index, addr, lane, g, e);
        }
    }

    // At the end of a run: were all expected writes seen?
    void finish() {
        const uint64_t want_dst = dst_.size() / DST_RECORD;
        const uint64_t want_bit = bit_.size() / BIT_RECORD;
        if (check_dst_ && dst_count_ < want_dst)
            fail("dst", "missing writes", dst_count_, 0, -1, dst_count_, want_dst);
        if (check_bit_ && bit_count_ < want_bit)
            fail("bit", "missing writes", bit_count_, 0, -1, bit_count_, want_bit);
    }

    const Mismatch& mismatch() const { return mismatch_; }
    uint64_t dst_count() const { return dst_count_; }
    uint64_t bit_count() const { return bit_count_; }
    uint64_t checked() const {
        return (check_dst_ ? dst_count_ : 0) + (check_bit_ ? bit_count_ : 0);
    }

  private:
    static void load(const std::string& path, size_t record, std::vector<uint8_t>& into, bool& check) {
        check = !path.empty() && path != "-";
        if (!check) return;
        into = read_file(path);
        if (into.size() % record != 0)
            throw std::runtime_error(path + ": not a multiple of " + std::to_string(record) + " bytes");
    }

    static int field(const uint32_t* word, unsigned lane) {
        const unsigned lsb = lane * ACT_BITS;
        uint64_t both = word[lsb / 32];
        if (lsb / 32 + 1 < (LANES * ACT_BITS + 31) / 32) both |= uint64_t(word[lsb / 32 + 1]) << 32;
        const uint32_t bits = static_cast<uint32_t>(both >> (lsb % 32)) & ((1u << ACT_BITS) - 1);
        return static_cast<int>(bits ^ (1u << (ACT_BITS - 1))) - (1 << (ACT_BITS - 1));
    }

    void fail(const char* stream, const char* what, uint64_t index, unsigned addr, int lane, long got,
              long expected) {
        if (mismatch_.found) return;
        mismatch_ = {true, stream, what, index, addr, lane, got, expected};
    }

    std::vector<uint8_t> dst_, bit_;
    bool check_dst_ = false, check_bit_ = false;
    uint64_t dst_count_ = 0, bit_count_ = 0;
    Mismatch mismatch_;
};

}  // namespace hwgen
