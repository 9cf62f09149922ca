// Documents by libraries for Node.js, for dialects.py: writers.cjs FOLDER < texts as JSON.
const fs = require("fs");
const path = require("path");
const { Document, Packer, Paragraph, HeadingLevel, Table, TableRow, TableCell, TextRun, Header, ExternalHyperlink } = require("docx");
const PptxGenJS = require("pptxgenjs");
const XLSX = require("xlsx");
const nodemailer = require("nodemailer");

const folder = process.argv[2];
const texts = JSON.parse(fs.readFileSync(0, "utf8"));
const put = (name, bytes) => fs.writeFileSync(path.join(folder, name), bytes);

async function word() {
  const cell = (text) => new TableCell({ children: [new Paragraph(text)] });
  const table = new Table({ rows: texts.table.map((row) => new TableRow({ children: row.map(cell) })) });
  const link = new ExternalHyperlink({ children: [new TextRun("the plan")], link: "https://example.org/plan" });
  const document = new Document({
    sections: [
      {
        children: [
          new Paragraph({ text: "Zebranie", heading: HeadingLevel.HEADING_1 }),
          new Paragraph({ children: [new TextRun({ text: texts.pl.slice(0, 30), bold: true }), new TextRun(texts.pl.slice(30))] }),
          table,
          new Paragraph({ children: [new TextRun("See "), link, new TextRun(".")] }),
          new Paragraph({ text: "Bees and trees", bullet: { level: 0 } }),
        ],
      },
    ],
  });
  put("docx.docx", await Packer.toBuffer(document));
}

async function slides() {
  const show = new PptxGenJS();
  const first = show.addSlide();
  first.addText("Garden notes", { x: 1, y: 0.5, w: 8, h: 1 });
  first.addText(texts.en, { x: 1, y: 2, w: 8, h: 2 });
  const second = show.addSlide();
  second.addTable(texts.table.map((row) => row.map((text) => ({ text }))), { x: 1, y: 1, w: 8 });
  second.addNotes("Remember the tea.");
  put("pptx.pptx", await show.write({ outputType: "nodebuffer" }));
}

function sheets() {
  const book = XLSX.utils.book_new();
  XLSX.utils.book_append_sheet(book, XLSX.utils.aoa_to_sheet(texts.table), "Plants");
  for (const ending of ["xlsx", "ods", "html"]) put("sheet." + ending, XLSX.write(book, { type: "buffer", bookType: ending }));
}

async function mails() {
  const transport = nodemailer.createTransport({ streamTransport: true, buffer: true, newline: "windows" });
  const head = { from: "Ada <ada@example.org>", to: "bob@example.org", date: new Date("2024-05-14T09:30:00Z"), messageId: "<1@example.org>" };
  const sent = async (mail) => (await transport.sendMail({ ...head, ...mail })).message;
  put("mail.eml", await sent({
    subject: "Zebranie ogrodników",
    text: texts.pl,
    html: `<p>${texts.pl}</p>`,
    attachments: [
      { filename: "plan ogrodu.csv", content: "bed;plant\r\n" },
      { filename: "notice.txt", content: texts.en, contentType: "text/plain; charset=utf-8" },
    ],
  }));
  put("ja.eml", await sent({ subject: "園芸会のお知らせ", text: texts.ja, textEncoding: "base64" }));
}

(async () => {
  await word();
  await slides();
  sheets();
  await mails();
})();
