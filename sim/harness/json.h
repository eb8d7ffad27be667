// The few lines of JSON that the harness writes.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

namespace hwgen {

inline std::string quoted(const std::string& text) {
    std::string out = "\"";
    for (char c : text) {
        if (c == '"' || c == '\\') out += '\\';
        if (static_cast<unsigned char>(c) >= 32) out += c;
    }
    return out + "\"";
}

class Object {
  public:
    Object& raw(const char* name, const std::string& value) {
        text_ += (text_.empty() ? "" : ", ") + quoted(name) + ": " + value;
        return *this;
    }
    Object& number(const char* name, long long value) { return raw(name, std::to_string(value)); }
    Object& real(const char* name, double value) {
        char buffer[32];
        std::snprintf(buffer, sizeof buffer, "%.6g", value);
        return raw(name, buffer);
    }
    Object& flag(const char* name, bool value) { return raw(name, value ? "true" : "false"); }
    Object& text(const char* name, const std::string& value) { return raw(name, quoted(value)); }
    std::string str() const { return "{" + text_ + "}"; }

  private:
    std::string text_;
};

inline std::string list(const std::vector<std::string>& items) {
    std::string out = "[";
    for (size_t i = 0; i < items.size(); ++i) out += (i ? ", " : "") + items[i];
    return out + "]";
}

}  // namespace hwgen
