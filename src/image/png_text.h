/* png_text.h - text chunks of PNG files (PNG specification 1.2, sections 4.2.3 and 11)
 *
 *     [4: length, big-endian] [4: type] [data] [4: CRC-32 of type and data]
 *     tEXt: keyword 0 text (Latin-1)
 *     iTXt: keyword 0 compressed(0/1) method language 0 translated-keyword 0 text (UTF-8)
 *
 * libvips writes tEXt alone, whatever the text is, so the chunk is put in here. Compressed text (zTXt, compressed iTXt)
 * is not read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_PNG_TEXT_H
#define LYC_IMAGE_PNG_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/string.h"

/* Whether the bytes begin like a PNG file. */
bool lyc_png_is(const unsigned char *data, size_t size);

/* Appends the text of the first chunk with that keyword, as UTF-8; false when there is none. A damaged file ends the
 * search. */
bool lyc_png_text_find(lyc_strbuf *text, const unsigned char *data, size_t size, const char *keyword);

/* Appends a chunk: tEXt when all characters are Latin-1, else iTXt. text is UTF-8; keyword has 1 to 79 ASCII
 * characters. */
void lyc_png_text_append(lyc_strbuf *chunk, const char *keyword, const char *text);

/* Where chunks can be put into a PNG file: behind IHDR, its first chunk. */
enum { LYC_PNG_AFTER_HEADER = 8 + 25 };

#endif
