// Ref: Silicon Labs Si1145/46/47 data sheet, sections 4.5 (registers), 5.3 (commands), 5.4 (parameters).
#include "si1145.h"

#include <Arduino.h>
#include <Wire.h>

static const byte CHIP = 0x60;
static const byte PART_ID = 0x00, HW_KEY = 0x07, PARAM_WR = 0x17, COMMAND = 0x18, VISIBLE = 0x22;
static const byte RESET = 0x01, MEASURE = 0x06, SET_CHANNELS = 0xA1;

static void put(byte reg, byte value)
{
    Wire.beginTransmission(CHIP);
    Wire.write(reg);
    Wire.write(value);
    Wire.endTransmission();
}

static unsigned int get(byte reg, byte size)
{
    unsigned int value = 0;
    Wire.beginTransmission(CHIP);
    Wire.write(reg);
    Wire.endTransmission();
    Wire.requestFrom(CHIP, size);
    for (byte i = 0; i < size; i++) value |= (unsigned int)Wire.read() << (8 * i);
    return value;
}

bool beginSi1145()
{
    Wire.begin();
    delay(30);
    if (get(PART_ID, 1) != 0x45) return false;
    put(COMMAND, RESET);
    delay(30);
    put(HW_KEY, 0x17);
    put(PARAM_WR, 0x10);  // the visible channel
    put(COMMAND, SET_CHANNELS);
    delay(10);
    return true;
}

unsigned int readVisible()
{
    put(COMMAND, MEASURE);
    delay(10);
    return get(VISIBLE, 2);
}
