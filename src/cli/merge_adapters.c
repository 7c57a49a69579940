/* merge_adapters.c - what the commands that make one adapter of several have in common
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/merge_adapters.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/progress.h"
#include "cli/strength.h"
#include "lycoris/text.h"

enum { MAX_ADAPTERS = 64, PATH_SIZE = 4096, MOST_NAMES = 10, MOST_BLOCKS = 26, NAME = 256 };

const lyc_option_choice lyc_merge_adapters_dtypes[] = {{"keep", "that of the adapters, float where they have several"},
                                                       {"float", NULL},
                                                       {"fp16", NULL},
                                                       {"bf16", NULL},
                                                       {0}};
const lyc_dtype lyc_merge_adapters_dtype_values[] = {LYC_F32, LYC_F32, LYC_F16, LYC_BF16};

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

typedef struct adapters {
    char paths[MAX_ADAPTERS][PATH_SIZE];
    double blocks[MAX_ADAPTERS][MOST_BLOCKS];
    lyc_merge_input inputs[MAX_ADAPTERS];
} adapters;

/* "1,0.5,..." with or without the brackets that sd-scripts' tools want. */
static lyc_status read_blocks(lyc_merge_input *input, double *blocks, const char *text, lyc_error *err)
{
    const lyc_option row = {.name = "", .kind = LYC_OPTION_FLOAT};
    size_t length = strlen(text), count = 0;
    if (length > 1 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    for (size_t first = 0; first <= length;) {
        char number[64];
        const size_t size = strcspn(text + first, ",]");
        const size_t space = strspn(text + first, " ");
        if (count == MOST_BLOCKS || size >= sizeof number || space > size) {
            return lyc_cli_fail(err, LYC_E_ARGUMENT, "--block-weights: '%s' is no list of at most %d numbers", text,
                                (int)MOST_BLOCKS);
        }
        snprintf(number, sizeof number, "%.*s", (int)(size - space), text + first + space);
        if (lyc_option_set(&blocks[count], &row, number, err) != LYC_OK) {
            return lyc_cli_fail(err, LYC_E_ARGUMENT, "--block-weights: '%s' is no number", number);
        }
        count++;
        first += size + 1;
    }
    input->blocks = blocks;
    input->block_count = count;
    return LYC_OK;
}

static lyc_status read_adapters(adapters *a, const lyc_merge_adapters_request *r, int count, char **words,
                                lyc_error *err)
{
    if (count > MAX_ADAPTERS) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "at most %d adapters", MAX_ADAPTERS);
    }
    if (r->block_weights.count > (size_t)count) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--block-weights was given %zu times for %d adapter%s",
                            r->block_weights.count, count, count == 1 ? "" : "s");
    }
    for (int i = 0; i < count; i++) {
        lyc_strength strength;
        LYC_TRY(lyc_strength_read(&strength, a->paths[i], PATH_SIZE, words[i], err));
        a->inputs[i] = (lyc_merge_input){.path = a->paths[i], .unet = strength.unet, .text = strength.text};
        if ((size_t)i < r->block_weights.count) {
            LYC_TRY(read_blocks(&a->inputs[i], a->blocks[i], r->block_weights.items[i], err));
        }
    }
    return LYC_OK;
}

/* --- the report ----------------------------------------------------------------------------------------------------
 */

static void warn_of_unmatched(lyc_cli *cli, const lyc_adapter_merge *merge, size_t index)
{
    const lyc_merged_input in = lyc_adapter_merge_input(merge, index);
    const char *name;
    for (size_t i = 0; i < MOST_NAMES && (name = lyc_adapter_merge_unmatched(merge, index, i)) != NULL; i++) {
        lyc_cli_warn(cli, "%s: %s belongs to no known layer and is left out", in.path, name);
    }
    if (in.unmatched > MOST_NAMES) {
        lyc_cli_warn(cli, "%s: and %zu more", in.path, in.unmatched - MOST_NAMES);
    }
    if (in.embeddings > 0) {
        lyc_cli_warn(cli, "%s: %zu tensor%s of embeddings left out", in.path, in.embeddings,
                     in.embeddings == 1 ? " is" : "s are");
    }
}

typedef struct summary {
    size_t loras, full, norms;
    int64_t least, most;
    double energy, least_energy, worst_error, worst_departure;
} summary;

static summary summarise(const lyc_adapter_merge *merge)
{
    summary s = {.least_energy = 1.0};
    for (size_t i = 0; i < lyc_adapter_merge_count(merge); i++) {
        const lyc_merged_layer l = lyc_adapter_merge_layer(merge, i);
        s.worst_error = l.error > s.worst_error ? l.error : s.worst_error;
        s.worst_departure = l.departure > s.worst_departure ? l.departure : s.worst_departure;
        if (l.rank == 0) {
            *(strcmp(l.algorithm, "norm") == 0 ? &s.norms : &s.full) += 1;
            continue;
        }
        s.least = s.loras == 0 || l.rank < s.least ? l.rank : s.least;
        s.most = l.rank > s.most ? l.rank : s.most;
        s.least_energy = l.energy < s.least_energy ? l.energy : s.least_energy;
        s.energy += l.energy;
        s.loras++;
    }
    s.energy = s.loras > 0 ? s.energy / (double)s.loras : 1.0;
    return s;
}

static void print_layer(const lyc_cli *cli, const lyc_merged_layer *l)
{
    char shown[NAME];
    lyc_text_printable(shown, sizeof shown, l->name, strlen(l->name));
    fprintf(cli->out, "  %s  of %zu, ", shown, l->inputs);
    if (l->rank > 0) {
        fprintf(cli->out, "lora of rank %" PRId64, l->rank);
    } else {
        lyc_text_printable(shown, sizeof shown, l->algorithm, strlen(l->algorithm));
        fprintf(cli->out, "%s", shown);
    }
    if (l->error > 0.0) {
        fprintf(cli->out, ", %.4g%% of the energy kept, relative error %.3g", 100.0 * l->energy, l->error);
    }
    if (l->departure > 0.0) {
        fprintf(cli->out, ", %.3g from the sum", l->departure);
    }
    fprintf(cli->out, "\n");
}

static void print_loras(const lyc_cli *cli, const summary *s)
{
    fprintf(cli->out, "  %zu layer%s LoRA of rank%s %" PRId64, s->loras, s->loras == 1 ? " is" : "s are",
            s->least == s->most ? "" : "s", s->least);
    if (s->least != s->most) {
        fprintf(cli->out, " to %" PRId64, s->most);
    }
    fprintf(cli->out, "\n");
    if (s->worst_error > 0.0) {
        fprintf(cli->out, "    energy kept: %.4g%% on average, %.4g%% at least; relative error at most %.3g\n",
                100.0 * s->energy, 100.0 * s->least_energy, s->worst_error);
    }
}

static void print_text(const lyc_cli *cli, const lyc_merge_adapters_request *r, const lyc_adapter_merge *merge)
{
    char shown[NAME];
    const summary s = summarise(merge);
    for (size_t i = 0; r->layers && i < lyc_adapter_merge_count(merge); i++) {
        const lyc_merged_layer l = lyc_adapter_merge_layer(merge, i);
        print_layer(cli, &l);
    }
    for (size_t i = 0; i < lyc_adapter_merge_input_count(merge); i++) {
        const lyc_merged_input in = lyc_adapter_merge_input(merge, i);
        lyc_text_printable(shown, sizeof shown, in.path, strlen(in.path));
        fprintf(cli->out, "%s: %zu layers, %zu of them in others too\n", shown, in.layers, in.shared);
    }
    if (!r->options.dry_run) {
        lyc_text_printable(shown, sizeof shown, r->output, strlen(r->output));
        fprintf(cli->out, "%s\n", shown);
    }
    if (s.loras > 0) {
        print_loras(cli, &s);
    }
    if (s.full > 0) {
        fprintf(cli->out, "  %zu layer%s\n", s.full,
                s.full == 1 ? " is a whole difference" : "s are whole differences");
    }
    if (s.norms > 0) {
        fprintf(cli->out, "  %zu layer%s\n", s.norms, s.norms == 1 ? " is a norm" : "s are norms");
    }
    if (s.worst_departure > 0.0) {
        fprintf(cli->out, "  at most %.3g from the sum of the adapters\n", s.worst_departure);
    }
}

static void print_json(const lyc_cli *cli, const lyc_merge_adapters_request *r, const lyc_adapter_merge *merge)
{
    lyc_json json = {.out = cli->out};
    lyc_json_begin_object(&json, NULL);
    lyc_json_text(&json, "output", r->options.dry_run ? NULL : r->output);
    lyc_json_begin_array(&json, "adapters");
    for (size_t i = 0; i < lyc_adapter_merge_input_count(merge); i++) {
        const lyc_merged_input in = lyc_adapter_merge_input(merge, i);
        const char *name;
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "path", in.path);
        lyc_json_unsigned(&json, "layers", in.layers);
        lyc_json_unsigned(&json, "shared", in.shared);
        lyc_json_unsigned(&json, "embeddings", in.embeddings);
        lyc_json_begin_array(&json, "unmatched");
        for (size_t k = 0; (name = lyc_adapter_merge_unmatched(merge, i, k)) != NULL; k++) {
            lyc_json_text(&json, NULL, name);
        }
        lyc_json_end(&json);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_begin_array(&json, "layers");
    for (size_t i = 0; i < lyc_adapter_merge_count(merge); i++) {
        const lyc_merged_layer l = lyc_adapter_merge_layer(merge, i);
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "name", l.name);
        lyc_json_text(&json, "algorithm", l.algorithm);
        lyc_json_unsigned(&json, "adapters", l.inputs);
        lyc_json_integer(&json, "rank", l.rank);
        lyc_json_number(&json, "alpha", l.alpha);
        lyc_json_number(&json, "energy", l.energy);
        lyc_json_number(&json, "error", l.error);
        lyc_json_number(&json, "departure", l.departure);
        lyc_json_end(&json);
    }
    lyc_json_end(&json);
    lyc_json_end(&json);
}

lyc_status lyc_cli_merge_adapters(lyc_cli *cli, const lyc_merge_adapters_request *request, int count, char **words,
                                  lyc_error *err)
{
    adapters a;
    lyc_adapter_merge *merge = NULL;
    const lyc_task task = lyc_cli_task(cli);
    if (request->output == NULL && !request->options.dry_run) {
        return lyc_cli_fail(err, LYC_E_ARGUMENT, "--output is missing: where to write");
    }
    LYC_TRY(read_adapters(&a, request, count, words, err));
    LYC_TRY(lyc_merge_adapters(&merge, request->output, a.inputs, (size_t)count, &request->options, &task, err));
    for (size_t i = 0; i < lyc_adapter_merge_input_count(merge); i++) {
        warn_of_unmatched(cli, merge, i);
    }
    if (cli->json) {
        print_json(cli, request, merge);
    } else {
        print_text(cli, request, merge);
    }
    lyc_adapter_merge_free(merge);
    return LYC_OK;
}
