/* Rows of elements from one place to another, for the copies at a network's boundary. */
#ifndef HEDDLE_COPY_H
#define HEDDLE_COPY_H

#include <stdint.h>

/*
 * Copies `bytes` bytes, in words where both places are aligned to 4 bytes. They may overlap if `to`
 * does not lie behind `from`.
 */
void heddle_copy(void *to, const void *from, uint32_t bytes);

#endif
