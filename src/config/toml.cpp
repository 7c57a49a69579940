/* toml.cpp - TOML by toml++, the one file that this library forces to be C++
 *
 * toml++ sorts the keys of a table; every node remembers where it stood, and by that they are put in order again.
 * Nothing is thrown past the functions of toml.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#define TOML_EXCEPTIONS        0
#define TOML_HEADER_ONLY       1
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

extern "C" {
#include "base/file.h"

#include "config/toml.h"
}

namespace
{

using member = std::pair<std::string_view, const toml::node *>;

lyc_status no_memory(lyc_error *err)
{
    return lyc_fail(err, LYC_E_MEMORY, "no memory for the configuration");
}

lyc_status convert(json_t **out, const toml::node &node, lyc_error *err);

bool earlier(const member &a, const member &b)
{
    const toml::source_position &x = a.second->source().begin, &y = b.second->source().begin;
    return x.line != y.line ? x.line < y.line : x.column < y.column;
}

lyc_status convert_table(json_t **out, const toml::table &table, lyc_error *err)
{
    std::vector<member> members;
    for (auto &&[key, value] : table) {
        members.emplace_back(key.str(), &value);
    }
    std::stable_sort(members.begin(), members.end(), earlier);
    json_t *object = json_object();
    lyc_status status = object != nullptr ? LYC_OK : no_memory(err);
    for (const member &m : members) {
        json_t *value = nullptr;
        status = status == LYC_OK ? convert(&value, *m.second, err) : status;
        const std::string key(m.first);
        if (status == LYC_OK && key.find('\0') != std::string::npos) {
            json_decref(value);
            status = lyc_fail(err, LYC_E_FORMAT, "line %u: a key with a NUL character",
                              static_cast<unsigned>(m.second->source().begin.line));
        } else if (status == LYC_OK && json_object_set_new(object, key.c_str(), value) != 0) {
            status = no_memory(err);
        }
    }
    if (status != LYC_OK) {
        json_decref(object);
        return status;
    }
    *out = object;
    return LYC_OK;
}

lyc_status convert_array(json_t **out, const toml::array &array, lyc_error *err)
{
    json_t *list = json_array();
    lyc_status status = list != nullptr ? LYC_OK : no_memory(err);
    for (const toml::node &node : array) {
        json_t *value = nullptr;
        status = status == LYC_OK ? convert(&value, node, err) : status;
        if (status == LYC_OK && json_array_append_new(list, value) != 0) {
            status = no_memory(err);
        }
    }
    if (status != LYC_OK) {
        json_decref(list);
        return status;
    }
    *out = list;
    return LYC_OK;
}

lyc_status refuse(const toml::node &node, const char *what, lyc_error *err)
{
    return lyc_fail(err, LYC_E_FORMAT, "line %u: %s", static_cast<unsigned>(node.source().begin.line), what);
}

lyc_status convert(json_t **out, const toml::node &node, lyc_error *err)
{
    if (const toml::table *table = node.as_table()) {
        return convert_table(out, *table, err);
    }
    if (const toml::array *array = node.as_array()) {
        return convert_array(out, *array, err);
    }
    if (const auto *text = node.as_string()) {
        *out = json_stringn(text->get().data(), text->get().size());
    } else if (const auto *whole = node.as_integer()) {
        *out = json_integer(whole->get());
    } else if (const auto *number = node.as_floating_point()) {
        if (!std::isfinite(number->get())) {
            return refuse(node, "a number that is not finite", err);
        }
        *out = json_real(number->get());
    } else if (const auto *flag = node.as_boolean()) {
        *out = json_boolean(flag->get());
    } else {
        return refuse(node, "dates and times mean nothing here", err);
    }
    return *out != nullptr ? LYC_OK : no_memory(err);
}

lyc_status parse(json_t **out, std::string_view text, lyc_error *err)
{
    const toml::parse_result result = toml::parse(text);
    if (!result) {
        const toml::parse_error &error = result.error();
        const std::string what(error.description());
        return lyc_fail(err, LYC_E_FORMAT, "line %u, column %u: %s", static_cast<unsigned>(error.source().begin.line),
                        static_cast<unsigned>(error.source().begin.column), what.c_str());
    }
    return convert_table(out, result.table(), err);
}

} // namespace

extern "C" lyc_status lyc_toml_parse(json_t **out, const char *text, size_t length, lyc_error *err)
{
    *out = nullptr;
    try {
        return parse(out, std::string_view(text, length), err);
    } catch (const std::bad_alloc &) {
        return no_memory(err);
    }
}

extern "C" lyc_status lyc_toml_read(json_t **out, const char *path, lyc_error *err)
{
    *out = nullptr;
    lyc_error own;
    lyc_strbuf text = {};
    lyc_status status = lyc_file_read(&text, path, LYC_TOML_MAX_BYTES, &own);
    if (status == LYC_OK) {
        status = lyc_toml_parse(out, lyc_strbuf_text(&text), text.length, &own);
        if (status != LYC_OK) {
            lyc_wrap(&own, "%s", path);
        }
    }
    lyc_strbuf_clear(&text);
    return status == LYC_OK ? LYC_OK : lyc_fail(err, status, "%s", own.message);
}
