// Ref: WIZnet W5500 data sheet v1.1.0, sections 2.2 (SPI frames), 4.1 (common registers), 4.2 (socket registers).
#include "ethernet.h"

#include <SPI.h>

static const int SELECT_PIN = 10;
static const byte COMMON = 0x00, SOCKET = 0x08, TX = 0x10, RX = 0x18, WRITE = 0x04;  // control byte
static const word MODE = 0x00, ROUTER = 0x01, MASK = 0x05, MAC = 0x09, IP = 0x0F;    // common registers
static const word SN_MODE = 0x00, SN_COMMAND = 0x01, SN_IR = 0x02, SN_STATUS = 0x03, SN_PORT = 0x04, SN_TO_IP = 0x0C,
                  SN_TO_PORT = 0x10, SN_TX_WR = 0x24, SN_RX_SIZE = 0x26, SN_RX_RD = 0x28;
static const byte OPEN = 0x01, CONNECT = 0x04, DISCONNECT = 0x08, CLOSE = 0x10, SEND = 0x20, RECEIVE = 0x40;
static const byte CLOSED = 0x00, ESTABLISHED = 0x17, SEND_OK = 0x10, TIMED_OUT = 0x08;

static void transfer(word address, byte control, byte *data, size_t size)
{
    SPI.beginTransaction(SPISettings(8000000, MSBFIRST, SPI_MODE0));
    digitalWrite(SELECT_PIN, LOW);
    SPI.transfer16(address);
    SPI.transfer(control);
    for (size_t i = 0; i < size; i++) data[i] = SPI.transfer(data[i]);
    digitalWrite(SELECT_PIN, HIGH);
    SPI.endTransaction();
}

static void put(word address, byte block, const byte *data, size_t size)
{
    while (size--) {  // transfer() would overwrite what it sends
        byte value = *data++;
        transfer(address++, block | WRITE, &value, 1);
    }
}

static void put8(word address, byte block, byte value) { put(address, block, &value, 1); }

static void put16(word address, byte block, word value)
{
    put8(address, block, highByte(value));
    put8(address + 1, block, lowByte(value));
}

static byte get8(word address, byte block)
{
    byte value = 0;
    transfer(address, block, &value, 1);
    return value;
}

static word get16(word address, byte block)
{
    byte values[2] = {0, 0};
    transfer(address, block, values, 2);
    return word(values[0], values[1]);
}

static void command(byte value)
{
    put8(SN_COMMAND, SOCKET, value);
    while (get8(SN_COMMAND, SOCKET)) {
    }
}

void EthernetClient::begin(const byte mac[6], const byte ip[4], const byte router[4], const byte mask[4])
{
    pinMode(SELECT_PIN, OUTPUT);
    digitalWrite(SELECT_PIN, HIGH);
    SPI.begin();
    put8(MODE, COMMON, 0x80);
    delay(10);
    put(ROUTER, COMMON, router, 4);
    put(MASK, COMMON, mask, 4);
    put(MAC, COMMON, mac, 6);
    put(IP, COMMON, ip, 4);
}

bool EthernetClient::connect(const byte ip[4], unsigned int port)
{
    command(CLOSE);
    put8(SN_MODE, SOCKET, 0x01);
    put16(SN_PORT, SOCKET, sourcePort++);
    if (sourcePort == 0) sourcePort = 49152;
    command(OPEN);
    put(SN_TO_IP, SOCKET, ip, 4);
    put16(SN_TO_PORT, SOCKET, port);
    command(CONNECT);
    for (;;) {
        byte status = get8(SN_STATUS, SOCKET);
        if (status == ESTABLISHED) return true;
        if (status == CLOSED) return false;
        delay(1);
    }
}

bool EthernetClient::connected() { return get8(SN_STATUS, SOCKET) == ESTABLISHED || available(); }

int EthernetClient::available() { return get16(SN_RX_SIZE, SOCKET); }

int EthernetClient::read()
{
    if (!available()) return -1;
    word at = get16(SN_RX_RD, SOCKET);
    byte value = get8(at, RX);
    put16(SN_RX_RD, SOCKET, at + 1);
    command(RECEIVE);
    return value;
}

void EthernetClient::stop()
{
    command(DISCONNECT);
    for (unsigned long start = millis(); get8(SN_STATUS, SOCKET) != CLOSED && millis() - start < 1000;) delay(1);
    command(CLOSE);
}

size_t EthernetClient::write(uint8_t value) { return write(&value, 1); }

size_t EthernetClient::write(const uint8_t *data, size_t size)
{
    word at = get16(SN_TX_WR, SOCKET);
    put(at, TX, data, size);
    put16(SN_TX_WR, SOCKET, at + size);
    put8(SN_IR, SOCKET, SEND_OK | TIMED_OUT);
    command(SEND);
    while (!(get8(SN_IR, SOCKET) & (SEND_OK | TIMED_OUT)))
        if (get8(SN_STATUS, SOCKET) == CLOSED) return 0;
    return size;
}
