// csim: C simulation of hwgen_top, every write of the lanes compared with the golden model.
//
//   csim IMAGE_DIR DATA_DIR IMAGES
//
// IMAGE_DIR: program.bin, weights.bin. DATA_DIR: steps.txt, dst.places, bit.places and, for every
// image N, N.input, N.dst, N.bit, N.output (hwgen/emit/hls.py says what is in them).
// Exit code: 0 all equal; 1 a difference, named by step, tensor, token and channel; 2 a bad file.
// Not synthesised.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "hwgen_top.hpp"
#include "trace.hpp"

namespace {

using Bytes = std::vector<unsigned char>;

Bytes read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    if (!in) throw std::runtime_error(path + ": cannot be read");
    return Bytes(std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>());
}

std::vector<hwgen::Beat> as_beats(const Bytes& bytes) {
    constexpr size_t size = hwgen::AXI_BITS / 8;
    std::vector<hwgen::Beat> beats((bytes.size() + size - 1) / size, 0);
    for (size_t k = 0; k < bytes.size(); ++k) {
        const int lsb = static_cast<int>(8 * (k % size));
        beats[k / size].range(lsb + 7, lsb) = bytes[k];
    }
    return beats;
}

struct Difference : std::runtime_error {
    using std::runtime_error::runtime_error;
};

// Writes that one compute instruction must do to one memory.
struct Step {
    std::string index, op, name, tensor;
    size_t end; // writes up to and with this instruction
};

// One kind of writes (features or bits): where each belongs, and its expected records.
struct Expected {
    size_t record = 0;
    std::vector<Step> steps;
    std::vector<int32_t> places; // token, word
    Bytes data;
    size_t next = 0, step = 0;

    size_t total() const { return places.size() / 2; }

    std::string where(unsigned lane) const {
        if (next >= total()) return "after the last step";
        const Step& s = steps[step];
        std::ostringstream out;
        out << "step " << s.name << " (compute instruction " << s.index << ", " << s.op
            << "), tensor " << s.tensor << ", token " << places[2 * next] << ", channel "
            << places[2 * next + 1] * hwgen::LANES + static_cast<int>(lane);
        return out.str();
    }

    // The record of the next write, whose instruction is found.
    const unsigned char* begin() {
        while (step < steps.size() && next >= steps[step].end) ++step;
        if (next >= total()) fail(0, "write", 1, 0);
        return &data[next * record];
    }

    [[noreturn]] void fail(unsigned lane, const char* field, long got, long expected) const {
        std::ostringstream out;
        out << where(lane) << ": " << field << " got " << got << ", expected " << expected;
        throw Difference(out.str());
    }
};

Expected features, bits;

size_t result_bytes; // behind the result's port: the result, and features that are kept in DDR

void read_steps(const std::string& folder) {
    features.record = 4 + 2 * hwgen::LANES;
    bits.record = 2 + hwgen::LANES / 8;
    std::ifstream room(folder + "/result.txt");
    if (!(room >> result_bytes)) throw std::runtime_error(folder + "/result.txt: cannot be read");
    std::ifstream in(folder + "/steps.txt");
    if (!in) throw std::runtime_error(folder + "/steps.txt: cannot be read");
    size_t ends[2] = {0, 0};
    for (std::string line; std::getline(in, line);) {
        std::string part[6]; // kind, index, opcode, step, tensor, count
        std::istringstream parts(line);
        for (std::string& text : part) std::getline(parts, text, '\t');
        const bool is_bit = part[0] == "bit";
        ends[is_bit] += std::stoul(part[5]);
        const Step step = {part[1], part[2], part[3], part[4], ends[is_bit]};
        (is_bit ? bits : features).steps.push_back(step);
    }
    for (Expected* e : {&features, &bits}) {
        const Bytes raw = read_file(folder + (e == &bits ? "/bit.places" : "/dst.places"));
        e->places.resize(raw.size() / 4);
        if (!raw.empty()) std::memcpy(e->places.data(), raw.data(), raw.size());
        if (e->total() != ends[e == &bits]) throw std::runtime_error(folder + ": incomplete");
    }
}

void expect(Expected& e, const std::string& path) {
    e.data = read_file(path);
    e.next = e.step = 0;
    if (e.data.size() != e.total() * e.record) throw std::runtime_error(path + ": wrong size");
}

// Runs hwgen_top on one image; throws Difference.
void run_image(const std::vector<hwgen::Beat>& program, const std::vector<hwgen::Beat>& weights,
               const std::string& stem) {
    expect(features, stem + ".dst");
    expect(bits, stem + ".bit");
    const std::vector<hwgen::Beat> input = as_beats(read_file(stem + ".input"));
    const Bytes output = read_file(stem + ".output");
    std::vector<hwgen::Beat> result = as_beats(Bytes(std::max(output.size(), result_bytes), 0));
    const unsigned lines = static_cast<unsigned>(program.size() / hwgen::LINE_BEATS);
    const unsigned error =
        hwgen_top(program.data(), weights.data(), input.data(), result.data(), lines);
    if (error != HWGEN_GOOD) {
        const char* reason = error == HWGEN_CRC      ? "CRC of a weight record"
                             : error == HWGEN_OPCODE ? "opcode"
                                                     : "no END";
        throw Difference("error " + std::to_string(error) + " (" + reason + ")");
    }
    for (Expected* e : {&features, &bits}) {
        if (e->next < e->total()) {
            e->begin();
            e->fail(0, "writes", static_cast<long>(e->next), static_cast<long>(e->total()));
        }
    }
    const std::vector<hwgen::Beat> wanted = as_beats(output);
    for (size_t k = 0; k < wanted.size(); ++k) {
        if (result[k] != wanted[k])
            throw Difference("result: beat " + std::to_string(k) + " of the STOREd words differs");
    }
}

} // namespace

namespace hwgen {
namespace trace {

void feature_write(bool mem, unsigned address, const Bits& mask, const Feature word[LANES]) {
    const unsigned char* want = features.begin();
    const unsigned place = want[2] | want[3] << 8;
    if (mem != want[0]) features.fail(0, "memory", mem, want[0]);
    if (address != place) features.fail(0, "address", address, place);
    for (unsigned lane = 0; lane < LANES; ++lane) {
        const bool written = want[1] >> (lane / (LANES / 8)) & 1;
        if (bool(mask[lane]) != written) features.fail(lane, "lane written", !written, written);
        int16_t value;
        std::memcpy(&value, want + 4 + 2 * lane, 2);
        if (written && word[lane] != value)
            features.fail(lane, "value", word[lane].to_int(), value);
    }
    ++features.next;
}

void bit_write(unsigned address, const Bits& value) {
    const unsigned char* want = bits.begin();
    const unsigned place = want[0] | want[1] << 8;
    if (address != place) bits.fail(0, "address", address, place);
    for (unsigned lane = 0; lane < LANES; ++lane) {
        const bool bit = want[2 + lane / 8] >> (lane % 8) & 1;
        if (bool(value[lane]) != bit) bits.fail(lane, "value", !bit, bit);
    }
    ++bits.next;
}

void require(bool good, const char* rule) {
    if (!good) throw Difference(features.where(0) + ": " + rule);
}

} // namespace trace
} // namespace hwgen

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fprintf(stderr, "usage: csim IMAGE_DIR DATA_DIR IMAGES\n");
        return 2;
    }
    const std::string image = argv[1], data = argv[2];
    const int images = std::atoi(argv[3]);
    int n = 0;
    try {
        const std::vector<hwgen::Beat> program = as_beats(read_file(image + "/program.bin"));
        const std::vector<hwgen::Beat> weights = as_beats(read_file(image + "/weights.bin"));
        read_steps(data);
        std::set<std::string> steps, tensors;
        for (const Expected* e : {&features, &bits}) {
            for (const Step& s : e->steps) {
                steps.insert(s.name);
                tensors.insert(s.tensor);
            }
        }
        for (; n < images; ++n) {
            run_image(program, weights, data + "/" + std::to_string(n));
            std::printf("csim: image %d: %zu steps, %zu tensors, %zu writes compared, 0 differ\n",
                        n, steps.size(), tensors.size(), features.total() + bits.total());
            std::fflush(stdout);
        }
    } catch (const Difference& difference) {
        std::fprintf(stderr, "csim: image %d: %s\n", n, difference.what());
        return 1;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "csim: %s\n", error.what());
        return 2;
    }
    return 0;
}
