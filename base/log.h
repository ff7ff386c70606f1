/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef GOALFS_BASE_LOG_H
#define GOALFS_BASE_LOG_H

#include <stdbool.h>

/*
 * One line a call, thread-safe, to standard error or, once the daemon is in the
 * background, to syslog. The levels are syslog's. LOG_DETAIL lines show the
 * layers in motion (-v); lower layers print nothing else.
 */
enum log_level { LOG_ERROR, LOG_WARN, LOG_NOTE, LOG_DETAIL };

/* What is below `level` in importance is dropped. LOG_NOTE until set. */
void log_set_level(enum log_level level);
bool log_shows(enum log_level level);

/*
 * When standard error is the journal, as systemd sets it up for a service
 * (JOURNAL_STREAM), lines there begin with their level instead of our name: "<4>". First of all.
 */
void log_begin(void);

/* From now on lines go to syslog. */
void log_to_syslog(void);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)
#define log_warn(...)  log_line(LOG_WARN, __VA_ARGS__)
#define log_note(...)  log_line(LOG_NOTE, __VA_ARGS__)
#define log_detail(...)                                    \
	do {                                               \
		if (log_shows(LOG_DETAIL))                 \
			log_line(LOG_DETAIL, __VA_ARGS__); \
	} while (0)

#endif
