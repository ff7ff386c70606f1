/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

/* Written before the threads start, read by all of them. */
static atomic_int shown = LOG_NOTE;
static atomic_bool syslogging;

static const int severity[] = {
	[LOG_ERROR] = LOG_ERR,
	[LOG_WARN] = LOG_WARNING,
	[LOG_NOTE] = LOG_INFO,
	[LOG_DETAIL] = LOG_DEBUG,
};

void log_set_level(enum log_level level)
{
	shown = level;
}

bool log_shows(enum log_level level)
{
	return (int)level <= shown;
}

void log_to_syslog(void)
{
	openlog("goalfs", LOG_PID, LOG_DAEMON);
	syslogging = true;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list ap;

	if (!log_shows(level))
		return;
	va_start(ap, format);
	if (syslogging) {
		vsyslog(severity[level], format, ap);
	} else {
		char line[2048];

		/* One write, so that lines of several threads don't mix. */
		(void)vsnprintf(line, sizeof(line), format, ap);
		(void)fprintf(stderr, "goalfs: %s%s\n",
			      level == LOG_ERROR  ? "error: "
			      : level == LOG_WARN ? "warning: "
						  : "",
			      line);
	}
	va_end(ap);
}
