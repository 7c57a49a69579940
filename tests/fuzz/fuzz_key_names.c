/* fuzz_key_names.c - names in adapter files: one a line; whatever comes in, each is taken apart within its bounds
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/key_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool promise)
{
    if (!promise) {
        __builtin_trap();
    }
}

/* Made once: it does not depend on the input. */
static const lyc_known_networks *known_networks(void)
{
    static lyc_known_networks known;
    if (known.count == 0) {
        require(lyc_known_networks_open(&known, NULL) == LYC_OK);
    }
    return &known;
}

static void check_name(const char *name)
{
    static const lyc_key_options options = {.component = "text_encoder", .prefix = "own"};
    for (int i = 0; i < 2; i++) {
        lyc_key key;
        lyc_key_target target;
        lyc_key_parse(&key, name, i == 0 ? NULL : &options);
        require(key.layer.text == name && key.layer.length <= strlen(name));
        require(strlen(key.path) < LYC_KEY_PATH && strchr(key.path, '.') == NULL);
        require(key.components[0] != NULL && lyc_key_scheme_name(key.scheme) != NULL);
        if (lyc_key_index_find(&target, &known_networks()->index, &key)) {
            require(target.entry->has_weight && lyc_inventory_find(target.inventory, target.entry->name) != NULL);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    require(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    for (char *line = text; line < text + size;) {
        char *end = strchr(line, '\n');
        char *next = end != NULL ? end + 1 : line + strlen(line) + 1;
        if (end != NULL) {
            *end = '\0';
        }
        check_name(line);
        line = next;
    }
    free(text);
    return 0;
}
