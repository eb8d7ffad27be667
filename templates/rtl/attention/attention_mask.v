// Channels of a unit that belong to the head, eight a bit of mask.
//
// unit of the head, last_unit its last one; the head begins at eighth `first` of its first unit and
// ends with eighth `last` of its last one. Combinational.
`default_nettype none
module attention_mask (
    input  wire [2:0] unit,
    input  wire [2:0] last_unit,
    input  wire [2:0] first,
    input  wire [2:0] last,
    output wire [7:0] mask
);
    wire [7:0] from = 8'hff << first;
    wire [7:0] to   = 8'hff >> ~last;

    assign mask = (from | {8{|unit}}) & (to | {8{unit != last_unit}});
endmodule
`default_nettype wire
