// What carries the board's HTTP: the W5500, or frames on the serial line where there is no network.
#pragma once

#ifdef PK_SERIAL_TRANSPORT
#include "tunnel.h"
namespace transport = tunnel;
#else
#include "w5500.h"
namespace transport = w5500;
#endif
