/*
 * A configuration file's text, made ready for libConfuse. Its lexer (3.3) miscounts lines after comments, takes no
 * comment inside a list, drops '*' and '+' from unquoted words, and forgives a missing '}'. So comments are
 * blanked, unquoted words are quoted, and what is left open is an error. Lines stay where they are. Pure.
 */
#ifndef PONTOON_CONFIG_TEXT_H
#define PONTOON_CONFIG_TEXT_H

#include "lib/buf.h"
#include "lib/result.h"

/* RESULT_PERM: *line_r is where. `out` should have room for about three times the text. */
enum result config_text_prepare(const char *text, struct buf *out, unsigned *line_r, struct error *err);

#endif
