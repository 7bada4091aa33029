package view

import "hailong/vote"

// The built-in texts. None may hold a level's word: the same ones follow every press.
var (
	invite      = vote.Text{Vi: "Mời Ông/Bà đánh giá", En: "Please rate our service"}
	recording   = vote.Text{Vi: "Đang ghi", En: "Recording"}
	moment      = vote.Text{Vi: "Xin chờ giây lát", En: "One moment, please"}
	thanks      = vote.Text{Vi: "Cảm ơn Ông/Bà đã đánh giá", En: "Thank you for your vote"}
	recorded    = vote.Text{Vi: "Lượt đánh giá đã được ghi", En: "Your vote has been recorded"}
	again       = vote.Text{Vi: "Mời Ông/Bà chọn lại", En: "Please choose again"}
	keep        = vote.Text{Vi: "Giữ nguyên", En: "Keep my first choice"}
	notKept     = vote.Text{Vi: "Chưa ghi được, xin báo cán bộ", En: "Not recorded, please tell the staff"}
	notKeptMore = vote.Text{Vi: "Máy đang gặp trục trặc", En: "This terminal is having a problem"}
	next        = vote.Text{Vi: "Máy sẵn sàng ngay cho người tiếp theo", En: "Ready for the next visitor soon"}
	closed      = vote.Text{Vi: "Máy đang tạm nghỉ", En: "Out of service for a moment"}
	closedMore  = vote.Text{Vi: "Xin Ông/Bà quay lại sau", En: "Please come back later"}

	why        = vote.Text{Vi: "Vì sao? Có thể chọn nhiều ý", En: "Why? You may choose several"}
	done       = vote.Text{Vi: "Xong", En: "Done"}
	changeMind = vote.Text{Vi: "Đổi ý", En: "Change my mind"}
	moreTime   = vote.Text{Vi: "Thêm thời gian", En: "More time"}
	comment    = vote.Text{Vi: "Góp ý", En: "Comment"}
	phone      = vote.Text{Vi: "Số điện thoại, nếu muốn được gọi lại", En: "Phone number, if you want a call back"}
	dossier    = vote.Text{Vi: "Mã hồ sơ", En: "Dossier code"}
)
