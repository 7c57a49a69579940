/* json_write.h - pieces of JSON appended to a text
 *
 * Compact JSON, byte for byte as serde_json writes it, because safetensors headers are compared with that library's.
 * There is no state: callers write commas and brackets themselves.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_BASE_JSON_WRITE_H
#define LYC_BASE_JSON_WRITE_H

#include "base/string.h"

/* A quoted string. Only what must be escaped is: quote, backslash and C0 (\b \t \n \f \r, else \u00xx with lower-case
 * digits); DEL and everything beyond ASCII stay raw. The text must be UTF-8. */
void lyc_json_write_string(lyc_strbuf *out, lyc_span text);

/* A number that reads back as the same value; null when it is not finite. */
void lyc_json_write_number(lyc_strbuf *out, double value);

#endif
