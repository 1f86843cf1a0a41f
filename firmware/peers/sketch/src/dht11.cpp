// Ref: Aosong DHT11 data sheet: start signal of at least 18 ms, 40 bits whose high pulse is 26–28 µs or 70 µs.
#include "dht11.h"

#include <Arduino.h>

static unsigned int lengthOf(int pin, int level)
{
    unsigned int count = 0;
    while (digitalRead(pin) == level)
        if (++count > 1000) return 0;
    return count;
}

bool readDht11(int pin, float *temperature)
{
    unsigned int low[40], high[40];
    byte data[5] = {0, 0, 0, 0, 0};
    pinMode(pin, OUTPUT);
    digitalWrite(pin, LOW);
    delay(20);
    noInterrupts();
    pinMode(pin, INPUT_PULLUP);
    delayMicroseconds(5);
    bool answered = lengthOf(pin, HIGH) && lengthOf(pin, LOW) && lengthOf(pin, HIGH);
    for (int bit = 0; answered && bit < 40; bit++) {
        low[bit] = lengthOf(pin, LOW);
        high[bit] = lengthOf(pin, HIGH);
        answered = low[bit] && high[bit];
    }
    interrupts();
    if (!answered) return false;
    for (int bit = 0; bit < 40; bit++) {
        data[bit / 8] <<= 1;
        if (high[bit] > low[bit]) data[bit / 8] |= 1;
    }
    if (byte(data[0] + data[1] + data[2] + data[3]) != data[4]) return false;
    *temperature = data[2] + data[3] / 10.0;
    return true;
}
