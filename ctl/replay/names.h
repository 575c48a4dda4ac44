/* What a file or a member of an archive is, by its path: where mail lies in Maildirs, MH folders and the like. Pure. */
#ifndef PONTOON_REPLAY_NAMES_H
#define PONTOON_REPLAY_NAMES_H

enum name_kind {
    NAME_MESSAGE, /* one message: below cur/ or new/ of a Maildir, a number (MH), *.eml */
    NAME_MAIL,    /* an mbox or one message: the content tells */
    NAME_NO_MAIL, /* an index, a lock, a draft in tmp/: not looked into */
};

enum name_kind name_kind_of(const char *path);

#endif
