// One time under power, begun by RCAUSE in the environment: FLASH CUT_AFTER NOISE, then a command a line; each is answered by `ok`, or `end` at the end.
#include <Arduino.h>
#include <stdio.h>
#include <stdlib.h>

#include <iostream>
#include <sstream>

#include "machine.h"

namespace {

std::string from_hex(const std::string &text)
{
    std::string bytes;
    for (size_t i = 0; i + 1 < text.size(); i += 2)
        bytes += static_cast<char>(strtoul(text.substr(i, 2).c_str(), 0, 16));
    return bytes;
}

std::string word(std::istringstream &words)
{
    std::string next;
    words >> next;
    return next;
}

long number(std::istringstream &words) { return strtol(word(words).c_str(), 0, 10); }

void show_console()
{
    printf("console ");
    for (unsigned char c : machine::take_console()) printf("%02x", c);
    printf("\n");
}

void carry_out(const std::string &line)
{
    std::istringstream words(line);
    const std::string name = word(words);
    if (name == "run") {
        const uint64_t until = machine::now_us() + static_cast<uint64_t>(number(words)) * 1000;
        while (machine::now_us() < until) loop();
    } else if (name == "type") {
        machine::type(from_hex(word(words)));
        loop();
    } else if (name == "port") {
        machine::open_port(word(words) == "open");
    } else if (name == "soil") {
        sensors::set_soil(static_cast<int>(number(words)));
    } else if (name == "light") {
        sensors::set_light(static_cast<int>(number(words)));
    } else if (name == "dht11") {
        const std::string mode = word(words);
        const int degrees = static_cast<int>(number(words));
        sensors::set_dht11(mode, degrees, static_cast<int>(number(words)));
    } else if (name == "si1145") {
        sensors::set_si1145(word(words));
    } else if (name == "module") {
        nina::set_module(word(words));
    } else if (name == "network") {
        nina::set_network(word(words));
    } else if (name == "peer") {
        const std::string kind = word(words), bytes = from_hex(word(words));
        nina::add_peer(kind, bytes, number(words));
    } else if (name == "worn") {
        machine::wear_out();
    } else if (name == "start") {
        setup();
    } else {
        machine::fault("unknown command " + line);
    }
    printf("%s", nina::take_requests().c_str());
    show_console();
    printf("ok %llu %d\n", static_cast<unsigned long long>(machine::now_us()), machine::led_is_on());
    fflush(stdout);
}

}  // namespace

int main(int count, char **words)
{
    if (count != 4) return 2;
    machine::begin(words[1], atol(words[2]), static_cast<uint32_t>(atol(words[3])));
    sensors::set_si1145("ok");
    for (std::string line; std::getline(std::cin, line);) carry_out(line);
    return 0;
}
