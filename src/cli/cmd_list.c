/* cmd_list.c - lycoris list: what there is to choose from
 *
 * A kind of thing is a row of the table below: how to list all of it, and how to say more about one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "cli/command.h"
#include "cli/json.h"
#include "cli/text.h"
#include "lycoris/adapter.h"
#include "lycoris/option.h"
#ifdef LYCORIS_WITH_DIFFUSION
#include "lycoris/train.h"
#endif

/* One entry of a list. */
typedef struct item {
    const char *name;
    const char *summary;
} item;

typedef struct kind {
    const char *name;
    bool (*item)(item *out, size_t index);      /* false past the last */
    void (*detail)(lyc_cli *cli, size_t index); /* NULL: there is no more to say than the summary */
    void (*detail_json)(lyc_json *json, size_t index);
} kind;

/* --- adapters ------------------------------------------------------------------------------------------------------
 */

static bool adapter_item(item *out, size_t index)
{
    if (index >= lyc_algorithm_count()) {
        return false;
    }
    const lyc_algorithm_info info = lyc_algorithm_at(index);
    *out = (item){.name = info.name, .summary = info.summary};
    return true;
}

/* Layers that show which tensors a file has: those of SD 1.5. */
static const struct {
    const char *what;
    lyc_shape weight;
} layers[] = {
    {"linear 640 to 320", {.rank = 2, .dims = {320, 640}}},
    {"convolution 3x3, 640 to 320", {.rank = 4, .dims = {320, 640, 3, 3}}},
    {"norm of 320", {.rank = 1, .dims = {320}}},
};
enum { LAYER_COUNT = sizeof layers / sizeof layers[0], TENSOR_TEXT = 128 };

static void print_field(lyc_cli *cli, const char *title, const char *text)
{
    fprintf(cli->out, "%-8s ", title);
    lyc_text_wrap(cli->out, text, 9, 9, cli->out_width);
}

static void adapter_detail(lyc_cli *cli, size_t index)
{
    const lyc_algorithm_info info = lyc_algorithm_at(index);
    char text[512];
    snprintf(text, sizeof text, "%s: %s", info.name, info.summary);
    print_field(cli, "name", text);
    print_field(cli, "formula", info.formula);
    print_field(cli, "source", info.source);
    fputs("\noptions\n", cli->out);
    lyc_algorithm_option option;
    for (size_t i = 0; lyc_algorithm_option_at(&option, index, i); i++) {
        fprintf(cli->out, "  %-24s ", option.name);
        const bool told = option.standard != NULL;
        snprintf(text, sizeof text, told ? "%s; default %s" : "%s", option.help, told ? option.standard : "");
        lyc_text_wrap(cli->out, text, 27, 27, cli->out_width);
    }
    fputs("\ntensors in a file, of the standard rank\n", cli->out);
    for (size_t k = 0; k < LAYER_COUNT; k++) {
        char tensor[TENSOR_TEXT];
        for (size_t i = 0; lyc_algorithm_tensor_at(tensor, sizeof tensor, index, &layers[k].weight, i); i++) {
            if (i == 0) {
                fprintf(cli->out, "  %s\n", layers[k].what);
            }
            fprintf(cli->out, "    %s\n", tensor);
        }
    }
}

static void adapter_detail_json(lyc_json *json, size_t index)
{
    const lyc_algorithm_info info = lyc_algorithm_at(index);
    lyc_json_text(json, "formula", info.formula);
    lyc_json_text(json, "source", info.source);
    lyc_json_begin_array(json, "options");
    lyc_algorithm_option option;
    for (size_t i = 0; lyc_algorithm_option_at(&option, index, i); i++) {
        lyc_json_begin_object(json, NULL);
        lyc_json_text(json, "name", option.name);
        lyc_json_text(json, "default", option.standard);
        lyc_json_text(json, "help", option.help);
        lyc_json_end(json);
    }
    lyc_json_end(json);
}

/* --- presets -------------------------------------------------------------------------------------------------------
 */

static bool preset_item(item *out, size_t index)
{
    *out = (item){.name = lyc_preset_name_at(index), .summary = lyc_preset_summary_at(index)};
    return out->name != NULL;
}

/* --- of training ---------------------------------------------------------------------------------------------------
 */

#ifdef LYCORIS_WITH_DIFFUSION
static bool optimizer_item(item *out, size_t index)
{
    out->name = lyc_train_optimizer_at(index, &out->summary);
    return out->name != NULL;
}

static bool schedule_item(item *out, size_t index)
{
    out->name = lyc_train_schedule_at(index, &out->summary);
    return out->name != NULL;
}
#endif

/* --- the command ---------------------------------------------------------------------------------------------------
 */

static const kind kinds[] = {
    {.name = "adapters", .item = adapter_item, .detail = adapter_detail, .detail_json = adapter_detail_json},
    {.name = "presets", .item = preset_item},
#ifdef LYCORIS_WITH_DIFFUSION
    {.name = "optimizers", .item = optimizer_item},
    {.name = "schedules", .item = schedule_item},
#endif
    {0},
};

static const lyc_option_choice choices[] = {
    {"adapters", "algorithms of adapters"},
    {"presets", "which layers of a model get an adapter"},
#ifdef LYCORIS_WITH_DIFFUSION
    {"optimizers", "of training"},
    {"schedules", "of learning rates"},
#endif
    {0},
};

static lyc_status find_kind(const kind **out, const char *name, lyc_error *err)
{
    for (const kind *k = kinds; k->name != NULL; k++) {
        if (strcmp(k->name, name) == 0) {
            *out = k;
            return LYC_OK;
        }
    }
    char names[256] = "";
    for (const kind *k = kinds; k->name != NULL; k++) {
        const size_t length = strlen(names);
        snprintf(names + length, sizeof names - length, "%s%s", length > 0 ? ", " : "", k->name);
    }
    return lyc_cli_fail(err, LYC_E_ARGUMENT, "there is no list of '%s'; there are %s", name, names);
}

static lyc_status find_item(size_t *index, const kind *k, const char *name, lyc_error *err)
{
    item one;
    const char *nearest = NULL;
    int best = 0, distance;
    for (*index = 0; k->item(&one, *index); ++*index) {
        if (strcmp(one.name, name) == 0) {
            return LYC_OK;
        }
        if (lyc_text_resembles(&distance, name, one.name) && (nearest == NULL || distance < best)) {
            nearest = one.name;
            best = distance;
        }
    }
    return nearest != NULL
               ? lyc_cli_fail(err, LYC_E_ARGUMENT, "'%s' is none of the %s; '%s' is meant?", name, k->name, nearest)
               : lyc_cli_fail(err, LYC_E_ARGUMENT, "'%s' is none of the %s", name, k->name);
}

static void print_all(lyc_cli *cli, const kind *k)
{
    item one;
    int width = 0;
    for (size_t i = 0; k->item(&one, i); i++) {
        const int columns = (int)strlen(one.name);
        width = columns > width ? columns : width;
    }
    for (size_t i = 0; k->item(&one, i); i++) {
        fprintf(cli->out, "%-*s  ", width, one.name);
        lyc_text_wrap(cli->out, one.summary, width + 2, width + 2, cli->out_width);
    }
}

static void print_json(lyc_cli *cli, const kind *k, size_t only, bool all)
{
    lyc_json json = {.out = cli->out};
    item one;
    if (all) {
        lyc_json_begin_array(&json, NULL);
    }
    for (size_t i = all ? 0 : only; k->item(&one, i) && (all || i == only); i++) {
        lyc_json_begin_object(&json, NULL);
        lyc_json_text(&json, "name", one.name);
        lyc_json_text(&json, "summary", one.summary);
        if (!all && k->detail_json != NULL) {
            k->detail_json(&json, i);
        }
        lyc_json_end(&json);
    }
    if (all) {
        lyc_json_end(&json);
    }
}

static lyc_status run(lyc_cli *cli, const void *config, int operand_count, char **operands, lyc_error *err)
{
    const kind *k = NULL;
    size_t index = 0;
    (void)config;
    lyc_status status = find_kind(&k, operands[0], err);
    if (status == LYC_OK && operand_count > 1) {
        status = find_item(&index, k, operands[1], err);
    }
    if (status != LYC_OK) {
        return status;
    }
    item one;
    if (cli->json) {
        print_json(cli, k, index, operand_count == 1);
    } else if (operand_count == 1) {
        print_all(cli, k);
    } else if (k->detail != NULL) {
        k->detail(cli, index);
    } else if (k->item(&one, index)) {
        fprintf(cli->out, "%s  %s\n", one.name, one.summary);
    }
    return LYC_OK;
}

static const lyc_example examples[] = {
    {"lycoris list adapters", "all algorithms"},
    {"lycoris list adapters lokr", "options of one, its formula, and what a file has of it"},
    {NULL, NULL},
};

const lyc_command lyc_command_list = {
    .name = "list",
    .summary = "show what there is to choose from",
    .operands = "KIND [NAME]",
    .description =
        "Lists algorithms of adapters, built-in presets of layers, optimisers, schedules of rates. With a name it "
        "says what is known of that one: options with their defaults, formula and source, and the tensors "
        "that a file has of it.",
    .operand_kind = LYC_OPERAND_CHOICE,
    .operand_choices = choices,
    .min_operands = 1,
    .max_operands = 2,
    .has_json = true,
    .examples = examples,
    .run = run,
};
