/* fuzz_prompt.c - any text is a prompt: its stretches are made of its bytes, none is invented
 *
 * The first byte says which parts of the syntax are read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "text/prompt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const lyc_prompt_options options = {data[0] & 1, data[0] & 2, data[0] & 4, data[0] & 8};
    lyc_prompt prompt;
    if (lyc_prompt_parse(&prompt, (lyc_span){(const char *)data + 1, size - 1}, &options, NULL) != LYC_OK) {
        return 0;
    }
    size_t length = 0;
    require(prompt.condition_count > 0);
    for (size_t i = 0; i < prompt.condition_count; i++) {
        require(prompt.conditions[i].items.count > 0);
        for (size_t k = 0; k < prompt.conditions[i].items.count; k++) {
            const lyc_span text = prompt.conditions[i].items.items[k].text;
            length += text.length;
            require(lyc_utf8_valid_prefix(text.text, text.length) == text.length);
        }
    }
    require(length < size);
    for (size_t i = 0; i < prompt.networks.count; i++) {
        require(prompt.networks.networks[i].name[0] != '\0');
    }
    lyc_prompt_clear(&prompt);
    return 0;
}
