/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "base/utf.h"

/* Written before the threads start, read by all of them. */
static atomic_int shown = LOG_NOTE;
static atomic_bool syslogging, journaling;

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

/* Inherited by whoever is started with another standard error, so it is compared. */
void log_begin(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	journaling = stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
		     fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_to_syslog(void)
{
	openlog("goalfs", LOG_PID, LOG_DAEMON);
	syslogging = true;
}

void log_line(enum log_level level, const char *format, ...)
{
	char line[2048];
	va_list ap;

	if (!log_shows(level))
		return;
	va_start(ap, format);
	(void)vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
	utf8_one_line(line);
	if (syslogging)
		syslog(severity[level], "%s", line);
	else if (journaling)
		(void)fprintf(stderr, "<%d>%s\n", severity[level], line);
	else
		/* One write, so that lines of several threads don't mix. */
		(void)fprintf(stderr, "goalfs: %s%s\n",
			      level == LOG_ERROR  ? "error: "
			      : level == LOG_WARN ? "warning: "
						  : "",
			      line);
}
