// Stand-in for WiFiNINA 2.1.0, as far as firmware/src uses it. What stands behind it is the module in nina.cpp.
#pragma once
#include <Arduino.h>

typedef enum {
    WL_NO_SHIELD = 255,
    WL_NO_MODULE = WL_NO_SHIELD,
    WL_IDLE_STATUS = 0,
    WL_NO_SSID_AVAIL,
    WL_SCAN_COMPLETED,
    WL_CONNECTED,
    WL_CONNECT_FAILED,
    WL_CONNECTION_LOST,
    WL_DISCONNECTED
} wl_status_t;

class WiFiClass {
public:
    static const char *firmwareVersion();
    int begin(const char *ssid);
    int begin(const char *ssid, const char *passphrase);
    void config(IPAddress local_ip, IPAddress dns_server, IPAddress gateway, IPAddress subnet);
    int disconnect(void);
    uint8_t status();
    void setTimeout(unsigned long timeout);
};
extern WiFiClass WiFi;

class WiFiClient {
public:
    WiFiClient();
    virtual ~WiFiClient() {}
    uint8_t status();
    void setConnectionTimeout(uint16_t timeout) { timeout_ms_ = timeout; }
    virtual int connect(IPAddress ip, uint16_t port);
    virtual size_t write(const uint8_t *buffer, size_t size);
    virtual int available();
    virtual int read(uint8_t *buffer, size_t size);
    virtual void stop();
    virtual operator bool();

private:
    uint16_t timeout_ms_;
};
