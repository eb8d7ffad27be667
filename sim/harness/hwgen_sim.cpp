// Runs a compiled network on the verilated hwgen_core and compares every write of the lanes.
//
//   hwgen_sim --program F --weights F --input F [--expected-dst F] [--expected-bit F] [--output F]
//             [--json F] [--stall-seed N] [--latency N] [--max-idle N] [--frames N]
//             [--cold 1] [--reset-after N] [--rate-beats N --rate-cycles N --rate-depth N]
//
// --input, --expected-dst, --expected-bit and --output may be given once per image; the images run
// one after another on the same engine, without a reset; --frames N runs the list N times. --program
// and --weights may be given once per image as well, else the last of them goes on: the registers are
// written when they change. --reset-after (once per image, 0: not) asks for a soft reset in that cycle
// of the frame and ends it there, with the writes so far compared. --cold 1 writes the weight
// base before every image, so that none finds its weights in the weight store. --rate-*: beats per
// cycle of the memory and how far it may be ahead (ddr.h; default: never slower than the ports). Output: JSON, one
// entry of "frames" per image: cycles, done, error code, writes compared, the first difference (the
// run stops there), start / issue end / retire cycles of the compute instructions, start / retire of
// the DMA and LDW instructions, counters. Cycle 0 is the first cycle in which the engine is busy.
// A run without progress (no write, bus beat or retired instruction) for --max-idle cycles ends with
// "hang": which unit holds which opcode and what it waits for.
// Exit code: 0 all writes equal and done, 1 not, 2 wrong use.
//
// Built by hwgen/sim/harness.py, which defines HWGEN_LANES, HWGEN_ACT_BITS, HWGEN_AXI_BITS and
// HWGEN_AXI_PORTS.

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <memory>

#include "Vhwgen_core.h"
#include "checker.h"
#include "ddr.h"
#include "json.h"
#include "timeline.h"
#include "verilated.h"

namespace hwgen {

using Dut = Vhwgen_core;
using Memory = Ddr<Dut, HWGEN_AXI_BITS, HWGEN_AXI_PORTS>;
using Check = Checker<HWGEN_LANES, HWGEN_ACT_BITS>;

// Registers (templates/rtl/host/axil_regs.v).
enum Register : unsigned {
    CTRL = 0x08, STATUS = 0x0C, PROG_LO = 0x10, WEIGHT_LO = 0x18, INPUT_LO = 0x20, OUTPUT_LO = 0x28,
    PROG_LINES = 0x30, PLANE_LO = 0x38, CYCLES = 0x40, BUSY_DMA = 0x44, BUSY_LDW = 0x48, BUSY_CMP = 0x4C,
    BEATS_READ = 0x50, BEATS_WRITTEN = 0x54
};

constexpr uint64_t PROGRAM_BASE = 0x10000000, WEIGHT_BASE = 0x20000000, INPUT_BASE = 0x60000000,
                   OUTPUT_BASE = 0x70000000;
constexpr size_t OUTPUT_LIMIT = 64 << 20;
constexpr size_t LINE_BYTES = 16;

struct Options {
    std::string json;
    std::vector<std::string> program, weights, input, dst, bit, output, reset_after;
    uint64_t stall_seed = 0, latency = 40, max_idle = 20000, frames = 1, cold = 0;
    Rate rate;
};

class Simulation {
  public:
    explicit Simulation(const Options& options)
        : options_(options), memory_(options.latency, options.stall_seed, options.rate) {
        dut_ = std::make_unique<Dut>(&context_);
        memory_.add(PROGRAM_BASE, {});
        memory_.add(WEIGHT_BASE, {});
        memory_.add(INPUT_BASE, {});
        memory_.add(OUTPUT_BASE, {});
        memory_.region(OUTPUT).writable = true;
        memory_.region(OUTPUT).limit = OUTPUT_LIMIT;
        dut_->rst = 1;
        for (int i = 0; i < 8; ++i) step();
        dut_->rst = 0;
        step();
        write(PLANE_LO, PLANE);
        write(INPUT_LO, INPUT_BASE);
        write(OUTPUT_LO, OUTPUT_BASE);
    }
    ~Simulation() { dut_->final(); }

    // One image; true when done and equal.
    bool frame(size_t image, std::vector<std::string>& reports) {
        const auto pick = [&](const std::vector<std::string>& files) {
            return image < files.size() ? files[image] : std::string();
        };
        if (image < options_.program.size()) load(options_.program[image], options_.weights[image]);
        const std::string last = pick(options_.reset_after);
        const uint64_t reset_after = last.empty() ? 0 : std::strtoull(last.c_str(), nullptr, 0);
        Region& input = memory_.region(INPUT);
        input.bytes = read_file(pick(options_.input));
        input.bytes.resize((input.bytes.size() + 15) / 16 * 16);
        Region& output = memory_.region(OUTPUT);
        output.bytes.clear();
        output.written = 0;

        check_ = std::make_unique<Check>(pick(options_.dst), pick(options_.bit));
        compute_ = dma_ = ldw_ = Timeline();
        busy_cycles_ = 0;
        retired_ = 0;
        hang_.clear();
        const auto begin = std::chrono::steady_clock::now();
        const uint64_t first_cycle = cycle_;
        if (options_.cold) write(WEIGHT_LO, WEIGHT_BASE);
        running_ = true;
        write(STATUS, 2);    // clear done
        write(CTRL, 4 | 1);  // interrupt enable, start
        uint64_t last_progress = cycle_;
        while (!dut_->irq && !check_->mismatch().found) {
            if (step()) last_progress = cycle_;
            if (cycle_ - last_progress > options_.max_idle) {
                hang_ = describe_hang();
                break;
            }
            if (reset_after && busy_cycles_ == reset_after) break;
        }
        running_ = false;
        const bool cut = reset_after && busy_cycles_ == reset_after;
        if (cut) {
            write(CTRL, 4 | 2);  // soft reset: transfers under way end first
            for (unsigned wait = 0; read(STATUS) & 5; ++wait)
                if (wait > options_.max_idle) throw std::runtime_error("the soft reset does not end");
        }
        const unsigned status = read(STATUS);
        const bool done = status >> 1 & 1;
        const unsigned error = status >> 4 & 15;
        if (done) check_->finish();
        const double seconds =
            std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();

        const Mismatch& bad = check_->mismatch();
        Object report;
        report.number("image", image).number("cycles", read(CYCLES)).flag("done", done);
        report.number("error", error).text("error_text", error_text(error));
        report.flag("port_conflict", status >> 8 & 1).flag("store_full", status >> 9 & 1);
        report.number("protocol_errors", memory_.protocol_errors());
        report.number("writes_checked", check_->checked()).number("mismatches", bad.found ? 1 : 0);
        report.number("dst_writes", check_->dst_count()).number("bit_writes", check_->bit_count());
        if (bad.found)
            report.raw("first_mismatch", Object().text("stream", bad.stream).text("field", bad.field)
                                             .number("index", bad.index).number("addr", bad.addr)
                                             .number("lane", bad.lane).number("got", bad.got)
                                             .number("expected", bad.expected).str());
        else
            report.raw("first_mismatch", "null");
        report.raw("hang", hang_.empty() ? "null" : hang_);
        report.number("busy_dma", read(BUSY_DMA)).number("busy_ldw", read(BUSY_LDW));
        report.number("busy_cmp", read(BUSY_CMP)).number("beats_read", read(BEATS_READ));
        report.number("beats_written", read(BEATS_WRITTEN));
        report.raw("steps", compute_.json(true)).raw("dma", dma_.json(false)).raw("ldw", ldw_.json(false));
        report.real("seconds", seconds).real("cycles_per_second", (cycle_ - first_cycle) / seconds);
        const bool ok = (done || cut) && error == 0 && !bad.found && !(status >> 8 & 1)
                        && memory_.protocol_errors() == 0;
        report.flag("reset", cut);
        report.flag("ok", ok);
        reports.push_back(report.str());

        const std::string out = pick(options_.output);
        if (!out.empty() && out != "-") {
            std::ofstream file(out, std::ios::binary);
            file.write(reinterpret_cast<const char*>(output.bytes.data()), output.written);
        }
        return ok;
    }

  private:
    enum { PROGRAM, WEIGHT, INPUT, OUTPUT };

    // Another network: its program and weights in memory, its registers written.
    void load(const std::string& program, const std::string& weights) {
        if (program == program_ && weights == weights_) return;
        program_ = program;
        weights_ = weights;
        memory_.region(PROGRAM).bytes = read_file(program);
        memory_.region(WEIGHT).bytes = read_file(weights);
        for (auto* bytes : {&memory_.region(PROGRAM).bytes, &memory_.region(WEIGHT).bytes})
            bytes->resize((bytes->size() + 15) / 16 * 16);
        write(PROG_LO, PROGRAM_BASE);
        write(WEIGHT_LO, WEIGHT_BASE);
        write(PROG_LINES, memory_.region(PROGRAM).bytes.size() / LINE_BYTES);
    }

    // One clock cycle; true when something moved.
    bool step() {
        memory_.drive(*dut_, cycle_);
        dut_->clk = 0;
        dut_->eval();
        bool moved = memory_.sample(*dut_, cycle_);
        if (running_) moved |= observe();
        dut_->clk = 1;
        dut_->eval();
        ++cycle_;
        return moved;
    }

    bool observe() {
        bool moved = false;
        const uint64_t now = busy_cycles_;
        if (dut_->t_busy) ++busy_cycles_;
        if (dut_->t_dst_valid) {
            moved = true;
            check_->dst(dut_->t_dst_mem, dut_->t_dst_addr, dut_->t_dst_mask, dut_->t_dst_word.data());
        }
        if (dut_->t_bit_valid) {
            moved = true;
            check_->bit(dut_->t_bit_addr, &dut_->t_bit_word);
        }
        if (dut_->t_start || dut_->t_issue_end) compute_.issue(now, dut_->t_start, dut_->t_issue_end);
        if (dut_->t_dma_start) dma_.start(now);
        if (dut_->t_ldw_start) ldw_.start(now);
        // Counts, not strobes: several compute instructions may retire in one cycle. The count is
        // visible one cycle after the event.
        if (dut_->t_retired != retired_) {
            const uint64_t old = dut_->t_retired == 0 ? 0 : retired_;
            const auto count = [&](unsigned lsb) {
                return static_cast<uint16_t>((dut_->t_retired >> lsb) - (old >> lsb));
            };
            if (now > 0) {
                dma_.retire(now - 1, count(0));
                ldw_.retire(now - 1, count(16));
                compute_.retire(now - 1, count(32));
            }
            retired_ = dut_->t_retired;
            moved = true;
        }
        return moved;
    }

    void write(unsigned addr, uint32_t value) {
        dut_->s_awaddr = addr;
        dut_->s_wdata = value;
        dut_->s_wstrb = 15;
        dut_->s_awvalid = dut_->s_wvalid = 1;
        dut_->s_bready = 1;
        bool taken = false;
        while (!taken) {
            dut_->clk = 0;
            dut_->eval();
            taken = dut_->s_awready;
            step();
        }
        dut_->s_awvalid = dut_->s_wvalid = 0;
        step();
    }

    uint32_t read(unsigned addr) {
        dut_->s_araddr = addr;
        dut_->s_arvalid = 1;
        dut_->s_rready = 1;
        while (!dut_->s_rvalid) step();
        dut_->s_arvalid = 0;
        const uint32_t value = dut_->s_rdata;
        step();
        return value;
    }

    static std::string error_text(unsigned code) {
        static const char* const TEXT[] = {"", "read response", "write response", "CRC of a weight record",
                                           "illegal opcode", "program without END"};
        return code < 6 ? TEXT[code] : "unknown";
    }

    // Which unit holds what, and which of its wait counts is not reached. Opcodes as numbers; heads
    // are {valid, wait_cmp, wait_ldw, wait_dma, op} (dma.v, ldw.v, compute_decode.v).
    std::string describe_hang() {
        const char* const names[] = {"dma", "ldw", "cmp"};
        const uint64_t heads[] = {dut_->t_head_dma, dut_->t_head_ldw, dut_->t_head_cmp};
        std::vector<std::string> units;
        std::string blamed;
        for (unsigned u = 0; u < 3; ++u) {
            if (!(heads[u] >> 52 & 1)) continue;
            Object unit;
            unit.text("unit", names[u]).number("op", heads[u] & 15);
            unit.number("index", static_cast<uint16_t>(dut_->t_retired >> (16 * u)));
            std::string waits;
            for (unsigned v = 0; v < 3; ++v) {
                const uint16_t want = heads[u] >> (4 + 16 * v);
                const uint16_t have = dut_->t_retired >> (16 * v);
                unit.number((std::string("wait_") + names[v]).c_str(), want);
                if (static_cast<uint16_t>(have - want) & 0x8000)
                    waits += (waits.empty() ? "" : ", ") + std::string(names[v]) + " " + std::to_string(want)
                             + " (at " + std::to_string(have) + ")";
            }
            if (waits.empty() && blamed.empty()) blamed = names[u];
            unit.text("waits_for", waits);
            units.push_back(unit.str());
        }
        if (blamed.empty()) blamed = units.empty() ? "sequencer" : "program";
        Object hang;
        hang.text("unit", blamed).number("cycle", busy_cycles_).raw("units", list(units));
        hang.number("sequencer", dut_->t_head_seq & 16 ? dut_->t_head_seq & 15 : -1);
        hang.number("retired_dma", dut_->t_retired & 0xFFFF);
        hang.number("retired_ldw", dut_->t_retired >> 16 & 0xFFFF);
        hang.number("retired_cmp", dut_->t_retired >> 32 & 0xFFFF);
        return hang.str();
    }

    Options options_;
    VerilatedContext context_;
    std::unique_ptr<Dut> dut_;
    Memory memory_;
    std::unique_ptr<Check> check_;
    Timeline compute_, dma_, ldw_;
    std::string hang_, program_, weights_;
    uint64_t cycle_ = 0, busy_cycles_ = 0, retired_ = 0;
    bool running_ = false;
};

static Options parse(int argc, char** argv) {
    Options o;
    const std::map<std::string, std::string*> single = {{"--json", &o.json}};
    const std::map<std::string, std::vector<std::string>*> repeated = {
        {"--program", &o.program}, {"--weights", &o.weights}, {"--reset-after", &o.reset_after},
        {"--input", &o.input}, {"--expected-dst", &o.dst}, {"--expected-bit", &o.bit}, {"--output", &o.output}};
    const std::map<std::string, uint64_t*> numbers = {{"--stall-seed", &o.stall_seed},
                                                      {"--latency", &o.latency},
                                                      {"--max-idle", &o.max_idle},
                                                      {"--frames", &o.frames},
                                                      {"--cold", &o.cold},
                                                      {"--rate-beats", &o.rate.beats},
                                                      {"--rate-cycles", &o.rate.cycles},
                                                      {"--rate-depth", &o.rate.depth}};
    for (int i = 1; i < argc; i += 2) {
        const std::string name = argv[i];
        if (i + 1 == argc) throw std::runtime_error(name + ": needs a value");
        if (single.count(name)) *single.at(name) = argv[i + 1];
        else if (repeated.count(name)) repeated.at(name)->push_back(argv[i + 1]);
        else if (numbers.count(name)) *numbers.at(name) = std::strtoull(argv[i + 1], nullptr, 0);
        else throw std::runtime_error(name + ": unknown option");
    }
    if (o.program.empty() || o.weights.empty() || o.input.empty())
        throw std::runtime_error("--program, --weights and --input are needed");
    if (o.program.size() != o.weights.size())
        throw std::runtime_error("--program and --weights must be given equally often");
    if (!o.rate.beats || !o.rate.cycles || !o.rate.depth)
        throw std::runtime_error("--rate-beats, --rate-cycles and --rate-depth must be at least 1");
    return o;
}

}  // namespace hwgen

int main(int argc, char** argv) {
    try {
        const hwgen::Options options = hwgen::parse(argc, argv);
        hwgen::Simulation simulation(options);
        std::vector<std::string> frames;
        bool ok = true;
        for (uint64_t round = 0; ok && round < options.frames; ++round)
            for (size_t image = 0; ok && image < options.input.size(); ++image)
                ok = simulation.frame(image, frames);
        const std::string text = hwgen::Object().flag("ok", ok).raw("frames", hwgen::list(frames)).str();
        if (options.json.empty()) std::cout << text << "\n";
        else std::ofstream(options.json) << text << "\n";
        return ok ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "hwgen_sim: " << error.what() << "\n";
        return 2;
    }
}
