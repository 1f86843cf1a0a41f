// The board around the firmware, in virtual time: pins, flash, watchdog, serial line. One process is one time under power.
#pragma once
#include <stdint.h>

#include <string>

namespace machine {

// Opens the flash's file; ends the process in the middle of the flash's operation `cut_after` (never where negative).
void begin(const char *flash_file, long cut_after, uint32_t noise);
uint64_t now_us();
void advance_us(uint64_t us);
// Says why and when on stdout, and ends the process.
void end(const std::string &why) __attribute__((noreturn));
// Something that no firmware may do.
void fault(const std::string &what) __attribute__((noreturn));

// Whether a host has the port open: at first one does.
void open_port(bool is_open);
void type(const std::string &text);
// What the firmware wrote since the last call.
std::string take_console();

// From now on no page holds what is written.
void wear_out();
bool led_is_on();

}  // namespace machine

namespace sensors {

void set_soil(int code);
void set_light(int count);
void set_dht11(const std::string &mode, int temperature, int humidity);  // ok, silent, checksum
void set_si1145(const std::string &mode);                                // ok, absent, hold_sda, hold_scl

// Levels of the wires, as the parts pull them; called at each change of the board's side.
bool dht11_pulls_down();
void dht11_sees(bool pulled_down);
void i2c_sees(bool sda_pulled_down, bool scl_pulled_down);
bool i2c_pulls_sda_down();
bool i2c_pulls_scl_down();
int soil_code();

}  // namespace sensors

namespace nina {

void set_module(const std::string &mode);         // ok, absent, old, slow, hang
void set_network(const std::string &mode);        // up, down
void add_peer(const std::string &kind, const std::string &argument, long number);
// Lines `request <ms> <address:port> <hex>`.
std::string take_requests();

}  // namespace nina
