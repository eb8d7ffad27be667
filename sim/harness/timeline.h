// Cycles at which instructions start, end their issue, and retire, per unit.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "json.h"

namespace hwgen {

class Timeline {
  public:
    void start(uint64_t cycle) { steps_.push_back({static_cast<int64_t>(cycle), -1, -1}); }
    void retire(uint64_t cycle, unsigned count) {
        for (; count > 0 && retired_ < steps_.size(); --count) steps_[retired_++].retire = cycle;
    }
    // Start and issue end of one cycle: the end belongs to the instruction that has none yet.
    void issue(uint64_t cycle, bool starts, bool ends) {
        const bool open = !steps_.empty() && steps_.back().end < 0;
        if (ends && open) steps_.back().end = cycle;
        if (starts) start(cycle);
        if (ends && !open && !steps_.empty()) steps_.back().end = cycle;
    }
    std::string json(bool with_end) const {
        std::vector<std::string> rows;
        for (const Step& s : steps_)
            rows.push_back("[" + std::to_string(s.start) + ", "
                           + (with_end ? std::to_string(s.end) + ", " : "") + std::to_string(s.retire) + "]");
        return list(rows);
    }

  private:
    struct Step {
        int64_t start, end, retire;
    };
    std::vector<Step> steps_;
    size_t retired_ = 0;
};

}  // namespace hwgen
