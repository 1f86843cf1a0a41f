// Stand-in for Arduino's core for the SAM D21 (ArduinoCore-samd 1.8, ArduinoCore-API 1.x, CMSIS-Atmel), as far as
// firmware/src uses it: the same names, types and values. What stands behind it is the machine in machine.h.
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define PROGMEM
#define PSTR(text) (text)

typedef uint8_t pin_size_t;
typedef enum { LOW = 0, HIGH = 1, CHANGE = 2, FALLING = 3, RISING = 4 } PinStatus;
typedef enum { INPUT = 0x0, OUTPUT = 0x1, INPUT_PULLUP = 0x2, INPUT_PULLDOWN = 0x3, OUTPUT_OPENDRAIN = 0x4 } PinMode;

extern "C" {
void pinMode(pin_size_t pin, PinMode mode);
void digitalWrite(pin_size_t pin, PinStatus status);
PinStatus digitalRead(pin_size_t pin);
int analogRead(pin_size_t pin);
unsigned long millis(void);
unsigned long micros(void);
void delay(unsigned long ms);
void delayMicroseconds(unsigned int us);
void setup(void);
void loop(void);
void WDT_Handler(void);
}

// variants/mkrwifi1010/variant.h
#define PIN_LED (6u)
#define LED_BUILTIN PIN_LED
#define PIN_A0 (15u)
#define PIN_WIRE_SDA (11u)
#define PIN_WIRE_SCL (12u)

// A register that somebody looks at: what is read and written goes through the machine.
template <typename T>
class Register {
public:
    typedef T (*Read)(T stored);
    typedef void (*Write)(T value);

    // Constant, so that a register is there before anything of the firmware is initialised, as on the chip.
    constexpr explicit Register(T value = 0, Read read = 0, Write write = 0) : value_(value), read_(read), write_(write) {}
    operator T() const { return read_ ? read_(value_) : value_; }
    Register &operator=(T value)
    {
        value_ = value;
        if (write_) write_(value);
        return *this;
    }

private:
    T value_;
    Read read_;
    Write write_;
};

template <typename T>
struct Named {
    Register<T> reg;
};

struct Pm {
    Named<uint8_t> RCAUSE;
};
struct Gclk {
    Named<uint8_t> STATUS;
    Named<uint16_t> CLKCTRL;
    Named<uint32_t> GENCTRL, GENDIV;
};
struct Wdt {
    Named<uint8_t> CTRL, CONFIG, EWCTRL, INTENSET, STATUS, CLEAR;
};
struct Nvmctrl {
    Named<uint16_t> CTRLA;
    Named<uint8_t> INTFLAG;
    Named<uint32_t> ADDR;
};

extern Pm fake_pm;
extern Gclk fake_gclk;
extern Wdt fake_wdt;
extern Nvmctrl fake_nvmctrl;
#define PM (&fake_pm)
#define GCLK (&fake_gclk)
#define WDT (&fake_wdt)
#define NVMCTRL (&fake_nvmctrl)

#define PM_RCAUSE_POR (0x1ul << 0)
#define PM_RCAUSE_BOD12 (0x1ul << 1)
#define PM_RCAUSE_BOD33 (0x1ul << 2)
#define PM_RCAUSE_EXT (0x1ul << 4)
#define PM_RCAUSE_WDT (0x1ul << 5)
#define PM_RCAUSE_SYST (0x1ul << 6)
#define GCLK_STATUS_SYNCBUSY (0x1ul << 7)
#define GCLK_CLKCTRL_ID_WDT (0x3ul << 0)
#define GCLK_CLKCTRL_GEN_GCLK2 (0x2ul << 8)
#define GCLK_CLKCTRL_CLKEN (0x1ul << 14)
#define GCLK_GENCTRL_ID(value) (0xFul & (value))
#define GCLK_GENCTRL_SRC_OSCULP32K (0x3ul << 8)
#define GCLK_GENCTRL_GENEN (0x1ul << 16)
#define GCLK_GENCTRL_DIVSEL (0x1ul << 20)
#define GCLK_GENDIV_ID(value) (0xFul & (value))
#define GCLK_GENDIV_DIV(value) (0xFFFFul << 8 & (value) << 8)
#define WDT_CTRL_ENABLE (0x1ul << 1)
#define WDT_CONFIG_PER(value) (0xFul & (value))
#define WDT_EWCTRL_EWOFFSET(value) (0xFul & (value))
#define WDT_INTENSET_EW (0x1ul << 0)
#define WDT_STATUS_SYNCBUSY (0x1ul << 7)
#define WDT_CLEAR_CLEAR_KEY (0xA5ul << 0)
#define NVMCTRL_INTFLAG_READY (0x1ul << 0)
#define NVMCTRL_CTRLA_CMD_ER (0x2ul << 0)
#define NVMCTRL_CTRLA_CMD_WP (0x4ul << 0)
#define NVMCTRL_CTRLA_CMD_PBC (0x44ul << 0)
#define NVMCTRL_CTRLA_CMD_INVALL (0x46ul << 0)
#define NVMCTRL_CTRLA_CMDEX_KEY (0xA5ul << 8)

#define FLASH_PAGE_SIZE 64
#define FLASH_SIZE 0x40000ul
extern uint8_t fake_flash[FLASH_SIZE];
#define FLASH_ADDR reinterpret_cast<uintptr_t>(fake_flash)

typedef enum { WDT_IRQn = 2 } IRQn_Type;
void NVIC_EnableIRQ(IRQn_Type number);
void NVIC_SystemReset(void) __attribute__((noreturn));
void __WFI(void);
void __enable_irq(void);
void __disable_irq(void);
#define interrupts() __enable_irq()
#define noInterrupts() __disable_irq()

// The USB serial port.
class Serial_ {
public:
    void begin(unsigned long) {}
    int available(void);
    int read(void);
    void flush(void) {}
    bool dtr();
    size_t write(uint8_t c);
    size_t write(const uint8_t *buffer, size_t size);
};
extern Serial_ SerialUSB;
#define Serial SerialUSB

class IPAddress {
public:
    IPAddress(uint8_t a, uint8_t b, uint8_t c, uint8_t d) : bytes_{a, b, c, d} {}
    uint8_t operator[](int index) const { return bytes_[index]; }

private:
    uint8_t bytes_[4];
};
