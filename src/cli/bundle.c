/* bundle.c - saying what was put into a bundle or taken out
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/bundle.h"

#include <inttypes.h>
#include <string.h>

#include "cli/json.h"
#include "lycoris/text.h"

enum { SHOWN = 1024 };

static const char *shown(char out[SHOWN], const char *text)
{
    lyc_text_printable(out, SHOWN, text, strlen(text));
    return out;
}

static void print_text(const lyc_cli *cli, const lyc_bundling *b, const char *output, bool parts)
{
    char text[SHOWN];
    const size_t tensors = lyc_bundling_adapter_tensors(b);
    const char *adapter = parts ? lyc_bundling_adapter(b) : output;
    if (adapter != NULL) {
        fprintf(cli->out, "%s\n", shown(text, adapter));
    }
    if (tensors > 0) {
        fprintf(cli->out, "  %zu tensor%s of the adapter\n", tensors, tensors == 1 ? "" : "s");
    }
    for (size_t i = 0; i < lyc_bundling_count(b); i++) {
        const lyc_bundled_embedding e = lyc_bundling_embedding(b, i);
        if (parts) {
            fprintf(cli->out, "%s\n", shown(text, e.path));
        }
        fprintf(cli->out, "  embedding %s of %" PRId64 " vector%s", shown(text, e.name), e.vectors,
                e.vectors == 1 ? "" : "s");
        fprintf(cli->out, e.tensors > 1 ? ", for %zu encoders\n" : "\n", e.tensors);
    }
}

static void print_json(const lyc_cli *cli, const lyc_bundling *b, const char *output, bool parts)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    if (!parts) {
        lyc_json_text(&json, "output", output);
    }
    lyc_json_text(&json, "adapter", lyc_bundling_adapter(b));
    lyc_json_unsigned(&json, "tensors", lyc_bundling_adapter_tensors(b));
    lyc_json_begin_array(&json, "embeddings");
    for (size_t i = 0; i < lyc_bundling_count(b); i++) {
        const lyc_bundled_embedding e = lyc_bundling_embedding(b, i);
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "name", e.name);
        lyc_json_text(&json, "path", e.path);
        lyc_json_unsigned(&json, "tensors", e.tensors);
        lyc_json_integer(&json, "vectors", e.vectors);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_end(&json);
}

void lyc_bundling_print(const lyc_cli *cli, const lyc_bundling *bundling, const char *output, bool parts)
{
    if (cli->json) {
        print_json(cli, bundling, output, parts);
    } else {
        print_text(cli, bundling, output, parts);
    }
}
