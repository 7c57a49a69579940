/* train_show.c - what a training is going to do, for people and as JSON
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "cli/diffusion/train.h"
#include "lycoris/text.h"

enum { LABEL = 12, DURATION = 32, SUBJECTS = 128, MOST_SHOWN = 16384 };

/* --- in words ------------------------------------------------------------------------------------------------------
 */

/* "label   text", wrapped; text is numbers, names of this program, or made printable. */
static void print_line(lyc_cli *cli, const char *label, const char *text)
{
    char shown[MOST_SHOWN];
    lyc_text_printable(shown, sizeof shown, text, strlen(text));
    fprintf(cli->out, "%s%s%*s%s", lyc_style_begin(cli->out_colour, LYC_STYLE_DIM), label,
            (int)LABEL - (int)strlen(label), "", lyc_style_end(cli->out_colour));
    lyc_text_wrap(cli->out, shown, LABEL, LABEL, cli->out_width);
}

/* "41 s", "12 min", "3 h 20 min". */
static const char *duration(char text[DURATION], double seconds)
{
    const double minutes = seconds / 60;
    if (seconds < 10) {
        snprintf(text, DURATION, "%.2g s", seconds);
    } else if (minutes < 2) {
        snprintf(text, DURATION, "%.0f s", seconds);
    } else if (minutes < 120) {
        snprintf(text, DURATION, "%.0f min", minutes);
    } else {
        const double hours = floor(minutes / 60);
        snprintf(text, DURATION, "%.0f h %.0f min", hours, minutes - 60 * hours);
    }
    return text;
}

static void print_pictures(lyc_cli *cli, const lyc_train_plan *plan)
{
    lyc_line line = {0};
    lyc_line_add(&line, "%" PRId64 ", %" PRId64 " uses in an epoch", plan->images, plan->uses);
    if (plan->regularisation_images > 0) {
        lyc_line_add(&line, "; %" PRId64 " for regularisation", plan->regularisation_images);
    }
    if (plan->validation_images > 0) {
        lyc_line_add(&line, "; %" PRId64 " for validation", plan->validation_images);
    }
    print_line(cli, "pictures", line.text);
    line = (lyc_line){0};
    for (size_t i = 0; i < plan->bucket_count; i++) {
        lyc_line_add(&line, "%s%dx%d: %" PRId64, i > 0 ? ", " : "", plan->buckets[i].width, plan->buckets[i].height,
                     plan->buckets[i].count);
    }
    print_line(cli, "buckets", line.text);
}

static void print_network(lyc_cli *cli, const lyc_train_plan *plan)
{
    char count[LYC_NUMBER_TEXT], bytes[LYC_NUMBER_TEXT];
    lyc_line line = {0};
    lyc_text_count(count, sizeof count, (uint64_t)plan->parameters);
    lyc_text_bytes(bytes, sizeof bytes, plan->file_bytes);
    if (plan->layer_count > 0) {
        lyc_line_add(&line, "%s in %zu layers, %s parameters, a file of %s", plan->layers[0].algorithm,
                     plan->layer_count, count, bytes);
    } else {
        lyc_line_add(&line, "the model itself: %s parameters, %s", count, bytes);
    }
    print_line(cli, "trained", line.text);
}

static void print_steps(lyc_cli *cli, const lyc_train_plan *plan)
{
    lyc_line line = {0};
    lyc_line_add(&line, "%" PRId64 " in %" PRId64 " epochs of %" PRId64 ", batches of %" PRId64 ", %s, seed %" PRIu64,
                 plan->total_steps, plan->epochs, plan->steps_per_epoch, plan->batch_size, plan->optimizer, plan->seed);
    print_line(cli, "steps", line.text);
    if (plan->seconds_per_step > 0) {
        char step[DURATION], all[DURATION], bytes[LYC_NUMBER_TEXT];
        line = (lyc_line){0};
        duration(step, plan->seconds_per_step);
        duration(all, plan->seconds_per_step * (double)plan->total_steps);
        lyc_line_add(&line, "%s a step, %s for all steps", step, all);
        print_line(cli, "time", line.text);
        lyc_text_bytes(bytes, sizeof bytes, plan->memory_bytes);
        print_line(cli, "memory", bytes);
    }
}

void lyc_train_show_start(lyc_cli *cli, const lyc_train_plan *plan)
{
    lyc_line line = {0};
    lyc_line_add(&line, "%s, %s-prediction", plan->family, plan->prediction[0] == 'v' ? "v" : "epsilon");
    print_line(cli, "model", line.text);
    print_pictures(cli, plan);
    print_network(cli, plan);
    print_steps(cli, plan);
    fflush(cli->out);
}

void lyc_train_show_choices(lyc_cli *cli, const lyc_train_config *config, const char *command)
{
    const char *choice;
    for (size_t i = 0; (choice = lyc_train_config_choice(config, i)) != NULL; i++) {
        print_line(cli, i == 0 ? "chosen" : "", choice);
    }
    if (lyc_train_config_choice(config, 0) != NULL) {
        char shown[MOST_SHOWN];
        lyc_text_printable(shown, sizeof shown, command, strlen(command));
        fprintf(cli->out, "%s%-*s%s%s\n", lyc_style_begin(cli->out_colour, LYC_STYLE_DIM), (int)LABEL, "in full",
                lyc_style_end(cli->out_colour), shown);
    }
    fflush(cli->out);
}

static void print_layers(lyc_cli *cli, const lyc_train_plan *plan)
{
    fprintf(cli->out, "\n%slayers%s\n", lyc_style_begin(cli->out_colour, LYC_STYLE_BOLD),
            lyc_style_end(cli->out_colour));
    for (size_t i = 0; i < plan->layer_count; i++) {
        const lyc_train_layer *layer = &plan->layers[i];
        char shown[SUBJECTS], count[LYC_NUMBER_TEXT];
        lyc_line line = {0};
        lyc_text_printable(shown, sizeof shown, layer->name, strlen(layer->name));
        for (int k = 0; k < layer->weight.rank; k++) {
            lyc_line_add(&line, "%s%" PRId64, k > 0 ? "x" : "  ", layer->weight.dims[k]);
        }
        lyc_line_add(&line, "  %s", layer->algorithm);
        if (layer->rank > 0) {
            lyc_line_add(&line, "  rank %" PRId64, layer->rank);
        }
        lyc_text_count(count, sizeof count, (uint64_t)layer->parameters);
        fprintf(cli->out, "  %s%s  %s parameters\n", shown, line.text, count);
    }
}

static void print_factors(lyc_cli *cli, const lyc_train_plan *plan)
{
    if (plan->factor_count == 0) {
        return;
    }
    fprintf(cli->out, "\n%sfactor of LoKr  parameters  file%s\n", lyc_style_begin(cli->out_colour, LYC_STYLE_BOLD),
            lyc_style_end(cli->out_colour));
    for (size_t i = 0; i < plan->factor_count; i++) {
        char count[LYC_NUMBER_TEXT], bytes[LYC_NUMBER_TEXT];
        const uint64_t parameters = (uint64_t)plan->factors[i].parameters;
        const uint64_t size = plan->parameters > 0 ? plan->file_bytes / (uint64_t)plan->parameters * parameters : 0;
        lyc_text_count(count, sizeof count, parameters);
        lyc_text_bytes(bytes, sizeof bytes, size);
        fprintf(cli->out, "%14" PRId64 "  %10s  %s\n", plan->factors[i].factor, count, bytes);
    }
}

void lyc_train_show_plan(lyc_cli *cli, const lyc_train_plan *plan)
{
    lyc_train_show_start(cli, plan);
    print_factors(cli, plan);
    if (plan->layer_count > 0) {
        print_layers(cli, plan);
    }
}

/* --- as JSON -------------------------------------------------------------------------------------------------------
 */

static void add_layers(lyc_json *json, const lyc_train_plan *plan)
{
    lyc_json_begin_array(json, "layers");
    for (size_t i = 0; i < plan->layer_count; i++) {
        const lyc_train_layer *layer = &plan->layers[i];
        lyc_json_begin_object(json, NULL);
        lyc_json_text(json, "name", layer->name);
        lyc_json_text(json, "component", layer->component);
        lyc_json_text(json, "algorithm", layer->algorithm);
        lyc_json_begin_array(json, "shape");
        for (int k = 0; k < layer->weight.rank; k++) {
            lyc_json_integer(json, NULL, layer->weight.dims[k]);
        }
        lyc_json_end(json);
        lyc_json_integer(json, "rank", layer->rank);
        lyc_json_integer(json, "parameters", layer->parameters);
        lyc_json_end(json);
    }
    lyc_json_end(json);
}

static void add_lists(lyc_json *json, const lyc_train_plan *plan)
{
    lyc_json_begin_array(json, "buckets");
    for (size_t i = 0; i < plan->bucket_count; i++) {
        lyc_json_begin_object(json, NULL);
        lyc_json_integer(json, "width", plan->buckets[i].width);
        lyc_json_integer(json, "height", plan->buckets[i].height);
        lyc_json_integer(json, "count", plan->buckets[i].count);
        lyc_json_end(json);
    }
    lyc_json_end(json);
    lyc_json_begin_array(json, "factors");
    for (size_t i = 0; i < plan->factor_count; i++) {
        lyc_json_begin_object(json, NULL);
        lyc_json_integer(json, "factor", plan->factors[i].factor);
        lyc_json_integer(json, "parameters", plan->factors[i].parameters);
        lyc_json_end(json);
    }
    lyc_json_end(json);
    lyc_json_begin_array(json, "notices");
    for (size_t i = 0; i < plan->notice_count; i++) {
        lyc_json_text(json, NULL, plan->notices[i]);
    }
    lyc_json_end(json);
}

void lyc_train_show_plan_json(lyc_json *json, const lyc_train_plan *plan)
{
    lyc_json_begin_object(json, "plan");
    lyc_json_text(json, "family", plan->family);
    lyc_json_text(json, "prediction", plan->prediction);
    lyc_json_text(json, "optimizer", plan->optimizer);
    lyc_json_integer(json, "images", plan->images);
    lyc_json_integer(json, "uses", plan->uses);
    lyc_json_integer(json, "regularisation_images", plan->regularisation_images);
    lyc_json_integer(json, "validation_images", plan->validation_images);
    lyc_json_integer(json, "batch_size", plan->batch_size);
    lyc_json_integer(json, "batches_per_epoch", plan->batches_per_epoch);
    lyc_json_integer(json, "steps_per_epoch", plan->steps_per_epoch);
    lyc_json_integer(json, "epochs", plan->epochs);
    lyc_json_integer(json, "total_steps", plan->total_steps);
    lyc_json_unsigned(json, "seed", plan->seed);
    lyc_json_integer(json, "parameters", plan->parameters);
    lyc_json_unsigned(json, "file_bytes", plan->file_bytes);
    lyc_json_number(json, "seconds_per_step", plan->seconds_per_step);
    lyc_json_unsigned(json, "memory_bytes", plan->memory_bytes);
    add_lists(json, plan);
    add_layers(json, plan);
    lyc_json_end(json);
}
