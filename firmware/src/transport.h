// What carries the board's HTTP: the W5500, the NINA module, or frames on the serial line where there is no network.
#pragma once

#ifdef PK_SERIAL_TRANSPORT
#include "tunnel.h"
namespace transport = tunnel;
#elif defined(PK_WIFI)
#include "nina.h"
namespace transport = nina;
#else
#include "w5500.h"
namespace transport = w5500;
#endif
