// An SI1145 over Arduino's Wire: its visible channel, measured on demand.
#pragma once

bool beginSi1145();
unsigned int readVisible();
