/* The witness process itself: keeps the list of what is open; when the bridge is gone, hears the answers and notes them. */
#ifndef PONTOON_BRIDGE_WITNESS_PROCESS_H
#define PONTOON_BRIDGE_WITNESS_PROCESS_H

#include "lib/config.h"

/* `socket` is the other end of the bridge's; `lock` is held until the end. */
void witness_process(const struct config *config, int socket, int lock) __attribute__((noreturn));

#endif
