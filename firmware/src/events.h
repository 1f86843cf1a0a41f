// Event lines on the console: `!name key=value …` (docs/architecture.md section 4).
#pragma once
#include <stdint.h>

#include "queue.h"
#include "text.h"

namespace events {

// A line under construction; it is sent, with its line end, when it goes out of scope.
class Line {
public:
    explicit Line(const char *flash_name);
    ~Line();
    Line &field(const char *flash_name);
    Line &text(const char *flash_name, const char *flash_value);
    Line &number(const char *flash_name, uint32_t value);
    Line &key(uint32_t boot, uint32_t seq);
    pk::TextWriter &out() { return out_; }

private:
    char buffer_[96];
    pk::TextWriter out_;
};

}  // namespace events
