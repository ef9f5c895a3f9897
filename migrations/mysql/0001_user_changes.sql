-- AUTO_ID_CACHE is written by hand: each server of TiDB would else give numbers of a range of its own.
CREATE TABLE `user_changes` (
	`seq` bigint AUTO_INCREMENT NOT NULL,
	`user_id` bigint NOT NULL,
	`kind` tinyint NOT NULL,
	`at` datetime(3) NOT NULL DEFAULT CURRENT_TIMESTAMP(3),
	CONSTRAINT `user_changes_seq` PRIMARY KEY(`seq`)
) /*T![auto_id_cache] AUTO_ID_CACHE=1 */;
--> statement-breakpoint
-- The first row is no change: with it every place in the history is that of a row.
INSERT INTO `user_changes` (`user_id`, `kind`) VALUES (0, 0);
