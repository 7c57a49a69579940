/* fuzz_image_text.c - texts in pictures: PNG chunks, the Exif comment, and what the text says
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "image/exif.h"
#include "image/parameters.h"
#include "image/png_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

/* What was read can be written, and then reads the same. */
static void check_parameters(const char *text)
{
    lyc_parameters p;
    lyc_parameters again;
    lyc_strbuf written = {0};
    require(lyc_parameters_read(&p, text, NULL) == LYC_OK);
    lyc_parameters_write(&written, &p);
    require(lyc_parameters_read(&again, lyc_strbuf_text(&written), NULL) == LYC_OK);
    require(p.count < 3 || again.count == p.count);
    for (size_t i = 0; p.count >= 3 && i < p.count; i++) {
        require(strcmp(p.items[i].key, again.items[i].key) == 0);
    }
    lyc_strbuf_clear(&written);
    lyc_parameters_clear(&p);
    lyc_parameters_clear(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    lyc_strbuf text = {0};
    const bool found = lyc_png_text_find(&text, data, size, "parameters") || lyc_exif_comment_find(&text, data, size);
    require(lyc_utf8_valid_prefix(lyc_strbuf_text(&text), text.length) == text.length);
    if (!found) {
        lyc_strbuf_append_n(&text, (const char *)data, size);
    }
    check_parameters(lyc_strbuf_text(&text));
    lyc_strbuf_clear(&text);
    return 0;
}
