/* networks_file.h - cases of networks that are adapter files
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LYC_CONFORMANCE_NETWORKS_FILE_H
#define LYC_CONFORMANCE_NETWORKS_FILE_H

#include "case.h"
#include "compare.h"

lyc_status lyc_networks_file_run(lyc_result *result, lyc_case *c, lyc_error *err);

#endif
