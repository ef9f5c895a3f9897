CREATE TABLE `user_changes` (
	`seq` integer PRIMARY KEY NOT NULL,
	`user_id` integer NOT NULL,
	`kind` integer NOT NULL,
	`at` integer DEFAULT (cast(unixepoch('subsec') * 1000 as integer)) NOT NULL
);
--> statement-breakpoint
-- The first row is no change: with it every place in the history is that of a row.
INSERT INTO `user_changes` (`user_id`, `kind`) VALUES (0, 0);
