// DDR behind one AXI4 port: regions of bytes, a read and a write channel pair.
//
// Read: a burst whose address is taken in cycle t gives its first beat in cycle t + latency, later
// beats at most one per cycle, bursts in order. Write: the response comes `latency` cycles after the
// last beat. An access outside the regions is answered with DECERR. With a seed, every channel is
// stalled at random (a quarter of the cycles, now and then for longer) and latencies grow.
#pragma once

#include <cstdint>
#include <cstring>
#include <deque>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace hwgen {

inline std::vector<uint8_t> read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error(path + ": cannot be read");
    return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// xorshift64*
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull + 1) {}
    uint32_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return static_cast<uint32_t>((state_ * 0x2545F4914F6CDD1Dull) >> 32);
    }

  private:
    uint64_t state_;
};

// Decides per cycle whether a channel is stalled.
class Stall {
  public:
    Stall(uint64_t seed, unsigned channel) : on_(seed != 0), random_(seed * 8 + channel) {}
    bool operator()() {
        if (!on_) return false;
        if (left_ > 0) {
            --left_;
            return true;
        }
        const uint32_t r = random_.next();
        if ((r & 0xFF) == 0) left_ = (r >> 8) & 63;
        return (r >> 30) == 0;
    }
    unsigned extra() { return on_ ? random_.next() & 63 : 0; }

  private:
    bool on_;
    Random random_;
    unsigned left_ = 0;
};

struct Region {
    uint64_t base = 0;
    std::vector<uint8_t> bytes;
    bool writable = false;
    size_t limit = 0;    // a writable region grows to this
    size_t written = 0;  // end of the written part

    bool holds(uint64_t addr, size_t n, bool write) const {
        const size_t end = write ? limit : bytes.size();
        return addr >= base && addr - base + n <= end && (!write || writable);
    }
};

// DUT: a Verilated hwgen_core.
template <class DUT, unsigned AXI_BITS>
class Ddr {
  public:
    static constexpr unsigned BYTES = AXI_BITS / 8;

    Ddr(unsigned latency, uint64_t seed)
        : latency_(latency), ar_(seed, 0), r_(seed, 1), aw_(seed, 2), w_(seed, 3), b_(seed, 4) {}

    Region& add(uint64_t base, std::vector<uint8_t> bytes) {
        Region region;
        region.base = base;
        region.bytes = std::move(bytes);
        region.bytes.resize((region.bytes.size() + 15) / 16 * 16);
        regions_.push_back(std::move(region));
        return regions_.back();
    }
    Region& region(size_t index) { return regions_[index]; }

    // Inputs of this cycle; then the caller settles the DUT and calls sample().
    void drive(DUT& dut, uint64_t cycle) {
        dut.ar_ready = !ar_();
        dut.aw_ready = !aw_();
        dut.w_ready = !w_();
        if (!r_valid_ && !reads_.empty() && cycle >= reads_.front().ready && !r_()) present_read(dut);
        dut.r_valid = r_valid_;
        if (!b_valid_ && !responses_.empty() && cycle >= responses_.front().ready && !b_()) {
            b_valid_ = true;
            dut.b_resp = responses_.front().resp;
        }
        dut.b_valid = b_valid_;
    }

    // Handshakes of this cycle. True when a data beat moved.
    bool sample(DUT& dut, uint64_t cycle) {
        bool moved = false;
        if (dut.ar_valid && dut.ar_ready)
            reads_.push_back({cycle + latency_ + r_.extra(), dut.ar_addr, dut.ar_len + 1u});
        if (r_valid_ && dut.r_ready) {
            moved = true;
            r_valid_ = false;
            Burst& burst = reads_.front();
            burst.addr += BYTES;
            if (--burst.beats == 0) reads_.pop_front();
        }
        if (dut.aw_valid && dut.aw_ready) writes_.push_back({0, dut.aw_addr, dut.aw_len + 1u});
        if (dut.w_valid && dut.w_ready) {
            moved = true;
            data_.emplace_back();
            std::memcpy(data_.back().bytes, &dut.w_data, BYTES);
            data_.back().strobes = dut.w_strb;
            data_.back().last = dut.w_last;
        }
        if (b_valid_ && dut.b_ready) {
            b_valid_ = false;
            responses_.pop_front();
        }
        // Data may come before their address.
        while (!writes_.empty() && !data_.empty()) store(cycle);
        return moved;
    }

    bool idle() const {
        return reads_.empty() && writes_.empty() && data_.empty() && responses_.empty();
    }
    unsigned protocol_errors() const { return protocol_errors_; }

  private:
    struct Burst {
        uint64_t ready;
        uint64_t addr;
        unsigned beats;
    };
    struct Beat {
        uint8_t bytes[BYTES];
        uint64_t strobes;
        bool last;
    };
    struct Response {
        uint64_t ready;
        unsigned resp;
    };
    static constexpr unsigned DECERR = 3;

    Region* find(uint64_t addr, bool write) {
        for (Region& region : regions_)
            if (region.holds(addr, BYTES, write)) return &region;
        return nullptr;
    }

    void present_read(DUT& dut) {
        const Burst& burst = reads_.front();
        if (burst.addr % BYTES != 0) ++protocol_errors_;
        uint8_t bytes[BYTES] = {};
        const Region* region = find(burst.addr, false);
        if (region) std::memcpy(bytes, region->bytes.data() + (burst.addr - region->base), BYTES);
        std::memcpy(&dut.r_data, bytes, BYTES);
        dut.r_resp = region ? 0 : DECERR;
        dut.r_last = burst.beats == 1;
        const uint64_t end = burst.addr + static_cast<uint64_t>(burst.beats - 1) * BYTES;
        if ((burst.addr >> 12) != (end >> 12)) ++protocol_errors_;  // crosses 4 KiB
        r_valid_ = true;
    }

    void store(uint64_t cycle) {
        Burst& burst = writes_.front();
        const Beat& beat = data_.front();
        Region* region = find(burst.addr, true);
        if (region) {
            const size_t at = burst.addr - region->base;
            if (region->bytes.size() < at + BYTES) region->bytes.resize(at + BYTES);
            for (unsigned i = 0; i < BYTES; ++i)
                if (beat.strobes >> i & 1) region->bytes[at + i] = beat.bytes[i];
            if (region->written < at + BYTES) region->written = at + BYTES;
        } else {
            bad_write_ = true;
        }
        if (beat.last != (burst.beats == 1)) ++protocol_errors_;
        if ((burst.addr >> 12) != ((burst.addr + (burst.beats - 1) * BYTES) >> 12)) ++protocol_errors_;
        burst.addr += BYTES;
        if (--burst.beats == 0) {
            responses_.push_back({cycle + latency_ + w_.extra(), bad_write_ ? DECERR : 0});
            bad_write_ = false;
            writes_.pop_front();
        }
        data_.pop_front();
    }

    unsigned latency_;
    Stall ar_, r_, aw_, w_, b_;
    std::deque<Region> regions_;
    std::deque<Burst> reads_;
    std::deque<Burst> writes_;
    std::deque<Beat> data_;
    std::deque<Response> responses_;
    bool r_valid_ = false;
    bool b_valid_ = false;
    bool bad_write_ = false;
    unsigned protocol_errors_ = 0;
};

}  // namespace hwgen
