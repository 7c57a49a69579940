/* exif.h - the user comment of JPEG and WebP files (Exif 2.32, tag 0x9286; TIFF 6.0)
 *
 *     ["Exif" 0 0] byte order, 42, offset of directory 0 -> tag 0x8769: offset of the Exif directory -> tag 0x9286
 *     comment: 8 bytes of character code, then text: "ASCII\0\0\0", or "UNICODE\0" and UTF-16 in the file's byte order
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_IMAGE_EXIF_H
#define LYC_IMAGE_EXIF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/string.h"

/* Appends the user comment as UTF-8; false when there is none or the data is damaged. */
bool lyc_exif_comment_find(lyc_strbuf *text, const unsigned char *data, size_t size);

/* Appends Exif data ("Exif" 0 0 in front) with nothing but this comment, in UTF-16, big-endian as A1111 writes it. */
void lyc_exif_comment_append(lyc_strbuf *data, const char *text);

#endif
