// The least of an Ethernet client over the W5500: what a sketch has from Arduino's library, which Debian does not ship.
// Every print is a segment of its own, and every call waits.
#pragma once
#include <Arduino.h>

class EthernetClient : public Print {
public:
    void begin(const byte mac[6], const byte ip[4], const byte router[4], const byte mask[4]);
    bool connect(const byte ip[4], unsigned int port);
    bool connected();
    int available();
    int read();
    void stop();
    size_t write(uint8_t value);
    size_t write(const uint8_t *data, size_t size);
    using Print::write;

private:
    unsigned int sourcePort = 49152;
};
