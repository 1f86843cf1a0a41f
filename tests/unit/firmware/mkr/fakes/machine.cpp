#include "machine.h"

#include <Arduino.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <deque>

uint8_t fake_flash[FLASH_SIZE];

namespace machine {
namespace {

const uint8_t PINS = 32, DHT11 = 2, LED = 6, SDA = 11, SCL = 12, SOIL = 15;
const uint32_t STORE_BYTES = 0x4000, STORE_AT = FLASH_SIZE - STORE_BYTES, ROW = 256, PAGE = 64;
const uint64_t ERASE_US = 6000, WRITE_US = 2500;  // DS40001882, characteristics of the flash

uint64_t now;
std::deque<char> typed;
std::string said;
bool port_is_open = true;
PinMode modes[PINS];
bool outputs[PINS];

// Flash
uint8_t *cells;
long left;
uint32_t random_state;
bool buffer_is_clear, cache_is_stale, is_worn;
uint8_t writes_since_erase[STORE_BYTES / ROW];

// Watchdog
uint64_t cleared_at, sync_until;
bool irq_is_enabled, irqs_are_masked, in_handler, was_warned;

uint8_t random_byte()
{
    random_state ^= random_state << 13, random_state ^= random_state >> 17, random_state ^= random_state << 5;
    return static_cast<uint8_t>(random_state >> 8);
}

uint8_t *window() { return fake_flash + STORE_AT; }

void erase_row(uint32_t at, bool cut)
{
    if (at % ROW) fault("erase of no row's start");
    for (uint32_t i = at; i < at + ROW; i++) cells[i] |= cut ? random_byte() : 0xFF;
    memcpy(window() + at, cells + at, ROW);
    writes_since_erase[at / ROW] = 0;
    advance_us(ERASE_US);
}

void write_page(uint32_t at, bool cut)
{
    if (at % PAGE) fault("write of no page's start");
    if (!buffer_is_clear) fault("page buffer was not cleared");
    if (++writes_since_erase[at / ROW] > 8) fault("more than eight writes of a row");  // the most between two erases, by the same table
    for (uint32_t i = 0; i < STORE_BYTES; i++)
        if ((i < at || i >= at + PAGE) && window()[i] != cells[i]) fault("stores beyond the page");
    for (uint32_t i = at; i < at + PAGE; i++) cells[i] &= static_cast<uint8_t>(window()[i] | (cut ? random_byte() : 0));
    if (is_worn) cells[at + 9] = 0x55;
    memcpy(window() + at, cells + at, PAGE);
    buffer_is_clear = false;
    advance_us(WRITE_US);
}

void nvm_command(uint16_t value)
{
    if ((value & 0xFF00) != NVMCTRL_CTRLA_CMDEX_KEY) fault("NVM command without its key");
    const uint16_t code = value & 0x7F;
    if (cache_is_stale && code != NVMCTRL_CTRLA_CMD_INVALL) fault("flash read through a stale cache");
    if (code == NVMCTRL_CTRLA_CMD_INVALL) {
        cache_is_stale = false;
    } else if (code == NVMCTRL_CTRLA_CMD_PBC) {
        buffer_is_clear = true;
    } else {
        const uint32_t address = fake_nvmctrl.ADDR.reg * 2;
        if (address < STORE_AT || address >= FLASH_SIZE) fault("flash that is not the store's");
        const bool cut = left-- == 0;
        if (code == NVMCTRL_CTRLA_CMD_ER)
            erase_row(address - STORE_AT, cut);
        else if (code == NVMCTRL_CTRLA_CMD_WP)
            write_page(address - STORE_AT, cut);
        else
            fault("NVM command that is not modelled");
        if (cut) end("cut");
        cache_is_stale = true;
    }
}

// The watchdog's clock in Hz; 0 where nothing feeds it.
uint32_t watchdog_hz()
{
    const uint32_t genctrl = fake_gclk.GENCTRL.reg, gendiv = fake_gclk.GENDIV.reg, clkctrl = fake_gclk.CLKCTRL.reg;
    const uint32_t wanted = GCLK_GENCTRL_ID(2) | GCLK_GENCTRL_SRC_OSCULP32K | GCLK_GENCTRL_GENEN;
    if ((genctrl & ~GCLK_GENCTRL_DIVSEL) != wanted || (gendiv & 0xF) != 2) return 0;
    if (clkctrl != (GCLK_CLKCTRL_ID_WDT | GCLK_CLKCTRL_GEN_GCLK2 | GCLK_CLKCTRL_CLKEN)) return 0;
    const uint32_t div = gendiv >> 8;
    return genctrl & GCLK_GENCTRL_DIVSEL ? 32768u >> (div + 1) : 32768u / (div ? div : 1);
}

void watch()
{
    if (!(fake_wdt.CTRL.reg & WDT_CTRL_ENABLE)) return;
    const uint32_t hz = watchdog_hz();
    if (!hz) return;
    const uint64_t age_us = now - cleared_at;
    if (age_us >= (8000000ull << fake_wdt.CONFIG.reg) / hz) end("watchdog");
    const bool warns = (fake_wdt.INTENSET.reg & WDT_INTENSET_EW) && irq_is_enabled && !irqs_are_masked;
    if (warns && !in_handler && !was_warned && age_us >= (8000000ull << fake_wdt.EWCTRL.reg) / hz) {
        in_handler = was_warned = true;
        WDT_Handler();
        in_handler = false;
    }
}

uint64_t sync_us() { return watchdog_hz() ? 3000000ull / watchdog_hz() : 0; }

void clear_watchdog(uint8_t value)
{
    if (now < sync_until) fault("watchdog written while it synchronises");
    if (value != WDT_CLEAR_CLEAR_KEY) end("watchdog");
    cleared_at = now;
    was_warned = false;
    sync_until = now + sync_us();
}

void enable_watchdog(uint8_t value)
{
    if (now < sync_until) fault("watchdog written while it synchronises");
    if (value & WDT_CTRL_ENABLE) cleared_at = now;
    sync_until = now + sync_us();
}

uint8_t watchdog_status(uint8_t)
{
    advance_us(1);
    return now < sync_until ? WDT_STATUS_SYNCBUSY : 0;
}

// The firmware asks before main().
uint8_t cause_of_start(uint8_t) { return static_cast<uint8_t>(strtoul(getenv("RCAUSE"), 0, 0)); }

uint8_t always_ready(uint8_t) { return NVMCTRL_INTFLAG_READY; }

bool pulls_down(uint8_t pin) { return modes[pin] == OUTPUT && !outputs[pin]; }

void pin_changed(uint8_t pin)
{
    if ((pin == DHT11 || pin == SDA || pin == SCL) && modes[pin] == OUTPUT && outputs[pin])
        fault("a wire with a pull-up is driven high");
    if (pin == DHT11) sensors::dht11_sees(pulls_down(DHT11));
    if (pin == SDA || pin == SCL) sensors::i2c_sees(pulls_down(SDA), pulls_down(SCL));
}

}  // namespace

void begin(const char *flash_file, long cut_after, uint32_t noise)
{
    const int file = open(flash_file, O_RDWR);
    void *mapped = file < 0 ? MAP_FAILED : mmap(0, STORE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (mapped == MAP_FAILED) perror(flash_file), exit(2);
    cells = static_cast<uint8_t *>(mapped);
    memset(fake_flash, 0xFF, sizeof fake_flash);
    memcpy(window(), cells, STORE_BYTES);
    left = cut_after;
    random_state = noise | 1;
}

uint64_t now_us() { return now; }

void advance_us(uint64_t us)
{
    now += us;
    watch();
}

void end(const std::string &why)
{
    printf("%send %s %llu\n", nina::take_requests().c_str(), why.c_str(), static_cast<unsigned long long>(now));
    const std::string console = take_console();
    printf("console ");
    for (unsigned char c : console) printf("%02x", c);
    printf("\n");
    fflush(stdout);
    _exit(0);
}

void fault(const std::string &what)
{
    fprintf(stderr, "%llu us: %s\n", static_cast<unsigned long long>(now), what.c_str());
    abort();
}

void open_port(bool is_open) { port_is_open = is_open; }

void type(const std::string &text)
{
    for (char c : text) typed.push_back(c);
}

std::string take_console()
{
    const std::string taken = said;
    said.clear();
    return taken;
}

void wear_out() { is_worn = true; }

bool led_is_on() { return modes[LED] == OUTPUT && outputs[LED]; }

}  // namespace machine

using namespace machine;

Pm fake_pm = {{Register<uint8_t>(0, cause_of_start)}};
Gclk fake_gclk;
Wdt fake_wdt = {{Register<uint8_t>(0, 0, enable_watchdog)}, {Register<uint8_t>()}, {Register<uint8_t>()},
                {Register<uint8_t>()}, {Register<uint8_t>(0, watchdog_status)}, {Register<uint8_t>(0, 0, clear_watchdog)}};
Nvmctrl fake_nvmctrl = {{Register<uint16_t>(0, 0, nvm_command)}, {Register<uint8_t>(0, always_ready)}, {Register<uint32_t>()}};
Serial_ SerialUSB;

extern "C" {

void pinMode(pin_size_t pin, PinMode mode)
{
    advance_us(1);
    modes[pin] = mode;
    if (mode == INPUT_PULLUP) outputs[pin] = true;  // the pull's direction is the output register's (DS40001882 chapter 23)
    pin_changed(pin);
}

void digitalWrite(pin_size_t pin, PinStatus status)
{
    advance_us(1);
    outputs[pin] = status == HIGH;
    pin_changed(pin);
}

PinStatus digitalRead(pin_size_t pin)
{
    advance_us(1);
    if (modes[pin] == OUTPUT) fault("an output is read");
    bool low = true;
    if (pin == DHT11) low = sensors::dht11_pulls_down();
    if (pin == SDA) low = sensors::i2c_pulls_sda_down();
    if (pin == SCL) low = sensors::i2c_pulls_scl_down();
    return low ? LOW : HIGH;
}

int analogRead(pin_size_t pin)
{
    advance_us(50);
    if (pin != SOIL) fault("a pin that nothing is wired to");
    return sensors::soil_code();
}

unsigned long millis(void) { return micros() / 1000; }

unsigned long micros(void)
{
    advance_us(1);
    return static_cast<uint32_t>(now);
}

void delay(unsigned long ms) { advance_us(ms * 1000ull); }
void delayMicroseconds(unsigned int us) { advance_us(us); }
}

void NVIC_EnableIRQ(IRQn_Type number) { irq_is_enabled = number == WDT_IRQn; }
void NVIC_SystemReset(void) { machine::end("program"); }
void __enable_irq(void) { irqs_are_masked = false, watch(); }
void __disable_irq(void) { irqs_are_masked = true; }
void __WFI(void) { advance_us(1000 - now % 1000); }  // the core's SysTick

int Serial_::available(void) { return static_cast<int>(typed.size()); }

int Serial_::read(void)
{
    if (typed.empty()) return -1;
    const char c = typed.front();
    typed.pop_front();
    return static_cast<unsigned char>(c);
}

bool Serial_::dtr() { return port_is_open; }

size_t Serial_::write(uint8_t c)
{
    if (port_is_open) said += static_cast<char>(c);
    advance_us(20);
    return 1;
}

size_t Serial_::write(const uint8_t *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++) write(buffer[i]);
    return size;
}
