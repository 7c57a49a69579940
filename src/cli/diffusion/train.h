/* train.h - what the files of `lycoris train` share
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CLI_DIFFUSION_TRAIN_H
#define LYC_CLI_DIFFUSION_TRAIN_H

#include "cli/cli.h"
#include "cli/json.h"
#include "lycoris/train.h"

/* All that --plan says, layers included. */
void lyc_train_show_plan(lyc_cli *cli, const lyc_train_plan *plan);
void lyc_train_show_plan_json(lyc_json *json, const lyc_train_plan *plan);

/* The same in a few lines, before a run. */
void lyc_train_show_start(lyc_cli *cli, const lyc_train_plan *plan);

/* What was not said and chosen, and the command that says all of it; nothing where nothing was chosen. */
void lyc_train_show_choices(lyc_cli *cli, const lyc_train_config *config, const char *command);

#endif
