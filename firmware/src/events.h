// Event lines on the console: `!name key=value …` (docs/architecture.md section 4).
#pragma once
#include <stdint.h>

#include "text.h"

namespace events {

enum Level : uint8_t { ERROR, WARNING, INFO, DEBUG };

// Up to which level events are said; from the start on PK_LOG_LEVEL.
extern Level level;

// A line, sent as it is written; its end is sent when it goes out of scope. Nothing is, where its level is not said.
class Line : public pk::TextWriter {
public:
    explicit Line(const char *flash_name, Level its_level = INFO);
    ~Line();
    Line &field(const char *flash_name);
    Line &named(const char *flash_name, const char *flash_value);
    Line &count(const char *flash_name, uint32_t value);
    Line &key(uint32_t boot, uint32_t seq);

private:
    void write(char c);

    bool said_;
};

}  // namespace events
