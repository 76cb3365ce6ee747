// SPDX-License-Identifier: BSD-2-Clause
/*
 * Shell patterns: * ? [a-z] [!a-z] [[:alpha:]] and backslash.
 */
#pragma once

#define FNM_NOMATCH  1
#define FNM_PATHNAME 1 /* flag: a slash matches only itself */
#define FNM_PERIOD   4 /* flag: a leading period matches only itself */

int fnmatch(const char *pattern, const char *s, int flags);
