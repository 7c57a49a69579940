/* inspect_adapter.c - what `lycoris inspect` says of the adapters in a file
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/inspect.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/text.h"
#include "lycoris/text.h"

enum { MAX_KINDS = 16, MOST_TENSORS = 200000 };

/* Names and how many layers have them. */
typedef struct counts {
    struct {
        const char *name;
        size_t layers;
    } kinds[MAX_KINDS];
    size_t count;
} counts;

typedef struct range {
    double least, most;
    bool any;
} range;

typedef struct summary {
    counts algorithms, schemes, components;
    range rank, alpha;
    size_t dora, without_alpha;
} summary;

lyc_status lyc_inspect_open_adapter(lyc_network_file **out, const lyc_inspection *in, lyc_error *err)
{
    const lyc_network_file_options options = {.component = "unet"};
    *out = NULL;
    if (lyc_safetensors_count(in->file) > MOST_TENSORS) {
        return LYC_OK;
    }
    const lyc_status status = lyc_network_file_open(out, in->path, &options, err);
    switch (status) {
    case LYC_E_UNSUPPORTED:
        return LYC_OK;
    case LYC_E_FORMAT:
    case LYC_E_SHAPE:
        if (!in->config->lenient) {
            lyc_cli_warn(in->cli, "%s", err->message);
        }
        return LYC_OK;
    default:
        return status;
    }
}

static void count(counts *c, const char *name)
{
    size_t i = 0;
    while (i < c->count && strcmp(c->kinds[i].name, name) != 0) {
        i++;
    }
    if (i == c->count && c->count < MAX_KINDS) {
        c->kinds[c->count++].name = name;
    }
    if (i < c->count) {
        c->kinds[i].layers++;
    }
}

static void widen(range *r, double value)
{
    r->least = !r->any || value < r->least ? value : r->least;
    r->most = !r->any || value > r->most ? value : r->most;
    r->any = true;
}

static summary summarise(const lyc_network_file *file)
{
    summary s = {0};
    for (size_t i = 0; i < lyc_network_file_count(file); i++) {
        const lyc_network_layer layer = lyc_network_file_layer(file, i);
        count(&s.algorithms, layer.algorithm);
        count(&s.schemes, layer.scheme);
        count(&s.components, layer.component);
        s.dora += layer.dora;
        if (layer.rank > 0) {
            widen(&s.rank, (double)layer.rank);
        }
        if (isnan(layer.alpha)) {
            s.without_alpha += layer.rank > 0;
        } else {
            widen(&s.alpha, layer.alpha);
        }
    }
    return s;
}

static void add_counts(lyc_line *line, const counts *c)
{
    for (size_t i = 0; i < c->count; i++) {
        lyc_line_add(line, "%s%zu %s", i > 0 ? ", " : "", c->kinds[i].layers, c->kinds[i].name);
    }
}

static void add_range(lyc_line *line, const char *name, const range *r)
{
    char least[LYC_NUMBER], most[LYC_NUMBER];
    if (r->any) {
        lyc_number_format(least, r->least);
        lyc_number_format(most, r->most);
        lyc_line_add(line, r->least < r->most ? "%s%s %s to %s" : "%s%s %s", line->length > 0 ? ", " : "", name, least,
                     most);
    }
}

static void print_line(const lyc_inspection *in, const char *label, const lyc_line *line)
{
    fprintf(in->cli->out, "  %s%-11s%s ", lyc_style_begin(in->cli->out_colour, LYC_STYLE_DIM), label,
            lyc_style_end(in->cli->out_colour));
    lyc_text_wrap(in->cli->out, line->text, 14, 14, in->cli->out_width);
}

static void print_layer(const lyc_inspection *in, const lyc_network_layer *layer)
{
    char shown_name[512];
    lyc_line line = {0};
    lyc_text_printable(shown_name, sizeof shown_name, layer->name, strlen(layer->name));
    for (int i = 0; i < layer->weight.rank; i++) {
        lyc_line_add(&line, "%s%" PRId64, i > 0 ? "x" : "  ", layer->weight.dims[i]);
    }
    lyc_line_add(&line, "  %s%s", layer->algorithm, layer->dora ? " with DoRA" : "");
    if (layer->rank > 0) {
        lyc_line_add(&line, "  rank %" PRId64, layer->rank);
    }
    if (!isnan(layer->alpha)) {
        char alpha[LYC_NUMBER];
        lyc_line_add(&line, "  alpha %s", lyc_number_format(alpha, layer->alpha));
    }
    fprintf(in->cli->out, "  %s%s\n", shown_name, line.text);
}

static void print_embeddings(const lyc_inspection *in, const lyc_network_file *adapter)
{
    lyc_line line = {0};
    const size_t count = lyc_network_file_embedding_count(adapter);
    if (count > 0) {
        lyc_line_add(&line, "%zu tensor%s (`lycoris unbundle` takes them out)", count, count == 1 ? "" : "s");
        print_line(in, "embeddings", &line);
    }
}

void lyc_inspect_print_adapter(const lyc_inspection *in, const lyc_network_file *adapter)
{
    const summary s = summarise(adapter);
    const char *family = lyc_network_file_family(adapter);
    const size_t unmatched = lyc_network_file_unmatched_count(adapter);
    lyc_line what = {0}, where = {0}, numbers = {0};
    add_counts(&what, &s.algorithms);
    lyc_line_add(&what, "; names of ");
    for (size_t i = 0; i < s.schemes.count; i++) {
        lyc_line_add(&what, "%s%s", i > 0 ? ", " : "", s.schemes.kinds[i].name);
    }
    print_line(in, "adapters", &what);
    lyc_line_add(&where, "%s%s", family != NULL ? family : "", family != NULL ? ": " : "");
    add_counts(&where, &s.components);
    print_line(in, "for", &where);
    add_range(&numbers, "rank", &s.rank);
    add_range(&numbers, "alpha", &s.alpha);
    if (s.without_alpha > 0) {
        lyc_line_add(&numbers, "%s%zu without alpha", numbers.length > 0 ? ", " : "", s.without_alpha);
    }
    if (s.dora > 0) {
        lyc_line_add(&numbers, "%s%zu with DoRA", numbers.length > 0 ? ", " : "", s.dora);
    }
    if (numbers.length > 0) {
        print_line(in, "options", &numbers);
    }
    if (unmatched > 0) {
        lyc_line left = {0};
        char name[256];
        const char *first = lyc_network_file_unmatched(adapter, 0);
        lyc_text_printable(name, sizeof name, first, strlen(first));
        lyc_line_add(&left, "%zu tensor%s of no layer that is known, %s first", unmatched, unmatched == 1 ? "" : "s",
                     name);
        print_line(in, "left over", &left);
    }
    print_embeddings(in, adapter);
    if (in->config->layers) {
        fputs("\n", in->cli->out);
        for (size_t i = 0; i < lyc_network_file_count(adapter); i++) {
            const lyc_network_layer layer = lyc_network_file_layer(adapter, i);
            print_layer(in, &layer);
        }
    }
}

/* --- JSON ----------------------------------------------------------------------------------------------------------
 */

static void print_counts_json(lyc_json *json, const char *key, const counts *c)
{
    lyc_json_begin_object(json, key);
    for (size_t i = 0; i < c->count; i++) {
        lyc_json_unsigned(json, c->kinds[i].name, c->kinds[i].layers);
    }
    lyc_json_end(json);
}

static void print_layer_json(lyc_json *json, const lyc_network_layer *layer)
{
    lyc_json_begin_object(json, NULL);
    lyc_json_text(json, "name", layer->name);
    lyc_json_text(json, "component", layer->component);
    lyc_json_text(json, "module", layer->module);
    lyc_json_text(json, "algorithm", layer->algorithm);
    lyc_json_integer(json, "rank", layer->rank);
    lyc_json_number(json, "alpha", layer->alpha);
    lyc_json_bool(json, "dora", layer->dora);
    lyc_json_begin_array(json, "weight");
    for (int i = 0; i < layer->weight.rank; i++) {
        lyc_json_integer(json, NULL, layer->weight.dims[i]);
    }
    lyc_json_end(json);
    lyc_json_end(json);
}

void lyc_inspect_print_adapter_json(lyc_inspection *in, const lyc_network_file *adapter)
{
    lyc_json *json = &in->json;
    const summary s = summarise(adapter);
    lyc_json_begin_object(json, "adapter");
    lyc_json_text(json, "family", lyc_network_file_family(adapter));
    lyc_json_unsigned(json, "layer_count", lyc_network_file_count(adapter));
    print_counts_json(json, "algorithms", &s.algorithms);
    print_counts_json(json, "names", &s.schemes);
    print_counts_json(json, "components", &s.components);
    lyc_json_unsigned(json, "unmatched", lyc_network_file_unmatched_count(adapter));
    lyc_json_unsigned(json, "embeddings", lyc_network_file_embedding_count(adapter));
    if (in->config->layers) {
        lyc_json_begin_array(json, "layers");
        for (size_t i = 0; i < lyc_network_file_count(adapter); i++) {
            const lyc_network_layer layer = lyc_network_file_layer(adapter, i);
            print_layer_json(json, &layer);
        }
        lyc_json_end(json);
    }
    lyc_json_end(json);
}
