// What the console says. The port is USB's: it is there half a second after a start at the earliest, and nobody hears what is
// said before a host opens it. So the start's lines are kept until then.
#pragma once

namespace serial_out {

void put(char c);
// Between two lines: hands over what was kept, once a host listens.
void tend();
// Whether there is something to hand over.
bool is_due();

}  // namespace serial_out
