// DDR behind the engine's AXI4 ports: regions of bytes; of each port a read and a write channel pair.
//
// Read: a burst whose address is taken in cycle t gives its first beat in cycle t + latency, later
// beats at most one per cycle and as the rate allows, bursts in order. Write: the response comes
// `latency` cycles after the last beat is written. An access outside the regions is answered with DECERR. With a
// seed, every channel is stalled at random (a quarter of the cycles, now and then for longer) and
// latencies grow, of each port on its own.
// Rate: a token bucket per port (hwgen/timing/memory.py says what it does; two ports in step share
// memory evenly). Planes: port p sees part p of every beat, PLANE bytes behind that of port p - 1.
#pragma once

#include <algorithm>
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
    Stall(uint64_t seed, unsigned channel) : on_(seed != 0), random_(seed * 16 + channel) {}
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

// Beats per cycle that memory delivers, beats / cycles, and how many it may be ahead of that.
struct Rate {
    uint64_t beats = 2, cycles = 1, depth = 1;
};

struct Region {
    uint64_t base = 0;  // on port 0
    std::vector<uint8_t> bytes;
    bool writable = false;
    size_t limit = 0;    // a writable region grows to this
    size_t written = 0;  // end of the written part

    bool holds(uint64_t at, size_t n, bool write) const {
        return at + n <= (write ? limit : bytes.size()) && (!write || writable);
    }
};

constexpr uint64_t PLANE = 0x08000000;  // bytes from a plane to the next: more than any region has

// DUT: a Verilated hwgen_core with PORTS ports, AXI_BITS a beat of all of them.
template <class DUT, unsigned AXI_BITS, unsigned PORTS>
class Ddr {
  public:
    static constexpr unsigned BEAT = AXI_BITS / 8, BYTES = BEAT / PORTS;  // BYTES: of a port's beat

    Ddr(unsigned latency, uint64_t seed, Rate rate) : latency_(latency), rate_(rate) {
        for (unsigned p = 0; p < PORTS; ++p) ports_.emplace_back(p, seed, rate);
    }

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
        for (Port& port : ports_) drive(port, dut, cycle);
    }

    // Handshakes of this cycle. True when a data beat moved.
    bool sample(DUT& dut, uint64_t cycle) {
        bool moved = false;
        for (Port& port : ports_) moved |= sample(port, dut, cycle);
        return moved;
    }

    bool idle() const {
        for (const Port& port : ports_)
            if (!port.reads.empty() || !port.writes.empty() || !port.data.empty() || !port.responses.empty())
                return false;
        return true;
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
        uint64_t written;
    };
    struct Response {
        uint64_t ready;
        unsigned resp;
    };
    struct Port {
        Port(unsigned p, uint64_t seed, Rate rate)
            : index(p), tokens(rate.depth * rate.cycles), ar(seed, 8 * p), r(seed, 8 * p + 1),
              aw(seed, 8 * p + 2), w(seed, 8 * p + 3), b(seed, 8 * p + 4) {}
        unsigned index;
        int64_t tokens;        // below 0: posted writes are owed
        uint64_t written = 0;  // when the next beat can be written, in 1 / rate.beats of a cycle
        Stall ar, r, aw, w, b;
        std::deque<Burst> reads, writes;
        std::deque<Beat> data;
        std::deque<Response> responses;
        bool r_valid = false, b_valid = false, bad_write = false;
    };
    static constexpr unsigned DECERR = 3;

    // Bits of port p in a vector of the DUT.
    template <class T>
    static bool bit(const T& pins, const Port& port) {
        return pins >> port.index & 1;
    }
    template <class T>
    static void set(T& pins, const Port& port, unsigned width, unsigned value) {
        const unsigned lsb = port.index * width, mask = (1u << width) - 1;
        pins = static_cast<T>((pins & ~(mask << lsb)) | value << lsb);
    }

    void drive(Port& port, DUT& dut, uint64_t cycle) {
        port.tokens += rate_.beats;
        const int64_t most = rate_.depth * rate_.cycles, beat = rate_.cycles;
        if (port.tokens > most) port.tokens = most;
        set(dut.ar_ready, port, 1, !port.ar());
        set(dut.aw_ready, port, 1, !port.aw());
        set(dut.w_ready, port, 1, !port.w());
        if (!port.r_valid && !port.reads.empty() && cycle >= port.reads.front().ready
            && port.tokens >= beat && !port.r()) {
            port.tokens -= beat;
            present_read(port, dut);
        }
        set(dut.r_valid, port, 1, port.r_valid);
        if (!port.b_valid && !port.responses.empty() && cycle >= port.responses.front().ready && !port.b()) {
            port.b_valid = true;
            set(dut.b_resp, port, 2, port.responses.front().resp);
        }
        set(dut.b_valid, port, 1, port.b_valid);
    }

    bool sample(Port& port, DUT& dut, uint64_t cycle) {
        const unsigned p = port.index;
        bool moved = false;
        if (bit(dut.ar_valid, port) && bit(dut.ar_ready, port))
            port.reads.push_back({cycle + latency_ + port.r.extra(), address(dut.ar_addr, p), length(dut.ar_len, p)});
        if (port.r_valid && bit(dut.r_ready, port)) {
            moved = true;
            port.r_valid = false;
            Burst& burst = port.reads.front();
            burst.addr += BYTES;
            if (--burst.beats == 0) port.reads.pop_front();
        }
        if (bit(dut.aw_valid, port) && bit(dut.aw_ready, port))
            port.writes.push_back({0, address(dut.aw_addr, p), length(dut.aw_len, p)});
        if (bit(dut.w_valid, port) && bit(dut.w_ready, port)) {
            moved = true;
            port.tokens -= rate_.cycles;
            port.data.emplace_back();
            Beat& beat = port.data.back();
            std::memcpy(beat.bytes, reinterpret_cast<const uint8_t*>(&dut.w_data) + p * BYTES, BYTES);
            beat.strobes = static_cast<uint64_t>(dut.w_strb) >> (p * BYTES);
            beat.last = bit(dut.w_last, port);
            beat.written = std::max(port.written, cycle * rate_.beats);
            port.written = beat.written + rate_.cycles;
        }
        if (port.b_valid && bit(dut.b_ready, port)) {
            port.b_valid = false;
            port.responses.pop_front();
        }
        // Data may come before their address.
        while (!port.writes.empty() && !port.data.empty()) store(port, cycle);
        return moved;
    }

    static uint64_t address(uint64_t pins, unsigned p) { return pins >> (32 * p) & 0xFFFFFFFF; }
    static unsigned length(unsigned pins, unsigned p) { return (pins >> (8 * p) & 255) + 1; }

    // The region that holds a port's beat; at: where it lies among the region's bytes.
    Region* find(const Port& port, uint64_t addr, bool write, size_t& at) {
        for (Region& region : regions_) {
            const uint64_t base = region.base + port.index * PLANE;
            if (addr < base) continue;
            at = (addr - base) / BYTES * BEAT + port.index * BYTES + (addr - base) % BYTES;
            if (region.holds(at, BYTES, write)) return &region;
        }
        return nullptr;
    }

    void check(const Burst& burst) {
        const uint64_t end = burst.addr + static_cast<uint64_t>(burst.beats - 1) * BYTES;
        if (burst.addr % BYTES != 0 || (burst.addr >> 12) != (end >> 12)) ++protocol_errors_;
    }

    void present_read(Port& port, DUT& dut) {
        const Burst& burst = port.reads.front();
        check(burst);
        uint8_t bytes[BYTES] = {};
        size_t at = 0;
        const Region* region = find(port, burst.addr, false, at);
        if (region) std::memcpy(bytes, region->bytes.data() + at, BYTES);
        std::memcpy(reinterpret_cast<uint8_t*>(&dut.r_data) + port.index * BYTES, bytes, BYTES);
        set(dut.r_resp, port, 2, region ? 0 : DECERR);
        set(dut.r_last, port, 1, burst.beats == 1);
        port.r_valid = true;
    }

    void store(Port& port, uint64_t cycle) {
        Burst& burst = port.writes.front();
        const Beat& beat = port.data.front();
        check(burst);
        size_t at = 0;
        Region* region = find(port, burst.addr, true, at);
        if (region) {
            const size_t end = at / BEAT * BEAT + BEAT;
            if (region->bytes.size() < end) region->bytes.resize(end);
            for (unsigned i = 0; i < BYTES; ++i)
                if (beat.strobes >> i & 1) region->bytes[at + i] = beat.bytes[i];
            if (region->written < end) region->written = end;
        } else {
            port.bad_write = true;
        }
        if (beat.last != (burst.beats == 1)) ++protocol_errors_;
        burst.addr += BYTES;
        if (--burst.beats == 0) {
            const uint64_t written = std::max(cycle, (beat.written + rate_.beats - 1) / rate_.beats);
            port.responses.push_back({written + latency_ + port.w.extra(), port.bad_write ? DECERR : 0});
            port.bad_write = false;
            port.writes.pop_front();
        }
        port.data.pop_front();
    }

    unsigned latency_;
    Rate rate_;
    std::vector<Port> ports_;
    std::deque<Region> regions_;
    unsigned protocol_errors_ = 0;
};

}  // namespace hwgen
